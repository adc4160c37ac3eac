package dev.hasten.inference;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 */
@javax.annotation.Generated(
    value = "by gRPC proto compiler",
    comments = "Source: inference/inference.proto")
@io.grpc.stub.annotations.GrpcGenerated
public final class GRPCInferenceServiceGrpc {

  private GRPCInferenceServiceGrpc() {}

  public static final String SERVICE_NAME = "inference.GRPCInferenceService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ServerLiveRequest,
      dev.hasten.inference.ServerLiveResponse> getServerLiveMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ServerLive",
      requestType = dev.hasten.inference.ServerLiveRequest.class,
      responseType = dev.hasten.inference.ServerLiveResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ServerLiveRequest,
      dev.hasten.inference.ServerLiveResponse> getServerLiveMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ServerLiveRequest, dev.hasten.inference.ServerLiveResponse> getServerLiveMethod;
    if ((getServerLiveMethod = GRPCInferenceServiceGrpc.getServerLiveMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getServerLiveMethod = GRPCInferenceServiceGrpc.getServerLiveMethod) == null) {
          GRPCInferenceServiceGrpc.getServerLiveMethod = getServerLiveMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ServerLiveRequest, dev.hasten.inference.ServerLiveResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ServerLive"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerLiveRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerLiveResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ServerLive"))
              .build();
        }
      }
    }
    return getServerLiveMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ServerReadyRequest,
      dev.hasten.inference.ServerReadyResponse> getServerReadyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ServerReady",
      requestType = dev.hasten.inference.ServerReadyRequest.class,
      responseType = dev.hasten.inference.ServerReadyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ServerReadyRequest,
      dev.hasten.inference.ServerReadyResponse> getServerReadyMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ServerReadyRequest, dev.hasten.inference.ServerReadyResponse> getServerReadyMethod;
    if ((getServerReadyMethod = GRPCInferenceServiceGrpc.getServerReadyMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getServerReadyMethod = GRPCInferenceServiceGrpc.getServerReadyMethod) == null) {
          GRPCInferenceServiceGrpc.getServerReadyMethod = getServerReadyMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ServerReadyRequest, dev.hasten.inference.ServerReadyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ServerReady"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerReadyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerReadyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ServerReady"))
              .build();
        }
      }
    }
    return getServerReadyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelReadyRequest,
      dev.hasten.inference.ModelReadyResponse> getModelReadyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelReady",
      requestType = dev.hasten.inference.ModelReadyRequest.class,
      responseType = dev.hasten.inference.ModelReadyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelReadyRequest,
      dev.hasten.inference.ModelReadyResponse> getModelReadyMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelReadyRequest, dev.hasten.inference.ModelReadyResponse> getModelReadyMethod;
    if ((getModelReadyMethod = GRPCInferenceServiceGrpc.getModelReadyMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelReadyMethod = GRPCInferenceServiceGrpc.getModelReadyMethod) == null) {
          GRPCInferenceServiceGrpc.getModelReadyMethod = getModelReadyMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelReadyRequest, dev.hasten.inference.ModelReadyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelReady"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelReadyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelReadyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelReady"))
              .build();
        }
      }
    }
    return getModelReadyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ServerMetadataRequest,
      dev.hasten.inference.ServerMetadataResponse> getServerMetadataMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ServerMetadata",
      requestType = dev.hasten.inference.ServerMetadataRequest.class,
      responseType = dev.hasten.inference.ServerMetadataResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ServerMetadataRequest,
      dev.hasten.inference.ServerMetadataResponse> getServerMetadataMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ServerMetadataRequest, dev.hasten.inference.ServerMetadataResponse> getServerMetadataMethod;
    if ((getServerMetadataMethod = GRPCInferenceServiceGrpc.getServerMetadataMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getServerMetadataMethod = GRPCInferenceServiceGrpc.getServerMetadataMethod) == null) {
          GRPCInferenceServiceGrpc.getServerMetadataMethod = getServerMetadataMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ServerMetadataRequest, dev.hasten.inference.ServerMetadataResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ServerMetadata"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerMetadataRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ServerMetadataResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ServerMetadata"))
              .build();
        }
      }
    }
    return getServerMetadataMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelMetadataRequest,
      dev.hasten.inference.ModelMetadataResponse> getModelMetadataMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelMetadata",
      requestType = dev.hasten.inference.ModelMetadataRequest.class,
      responseType = dev.hasten.inference.ModelMetadataResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelMetadataRequest,
      dev.hasten.inference.ModelMetadataResponse> getModelMetadataMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelMetadataRequest, dev.hasten.inference.ModelMetadataResponse> getModelMetadataMethod;
    if ((getModelMetadataMethod = GRPCInferenceServiceGrpc.getModelMetadataMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelMetadataMethod = GRPCInferenceServiceGrpc.getModelMetadataMethod) == null) {
          GRPCInferenceServiceGrpc.getModelMetadataMethod = getModelMetadataMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelMetadataRequest, dev.hasten.inference.ModelMetadataResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelMetadata"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelMetadataRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelMetadataResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelMetadata"))
              .build();
        }
      }
    }
    return getModelMetadataMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest,
      dev.hasten.inference.ModelInferResponse> getModelInferMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelInfer",
      requestType = dev.hasten.inference.ModelInferRequest.class,
      responseType = dev.hasten.inference.ModelInferResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest,
      dev.hasten.inference.ModelInferResponse> getModelInferMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest, dev.hasten.inference.ModelInferResponse> getModelInferMethod;
    if ((getModelInferMethod = GRPCInferenceServiceGrpc.getModelInferMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelInferMethod = GRPCInferenceServiceGrpc.getModelInferMethod) == null) {
          GRPCInferenceServiceGrpc.getModelInferMethod = getModelInferMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelInferRequest, dev.hasten.inference.ModelInferResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelInfer"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelInferRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelInferResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelInfer"))
              .build();
        }
      }
    }
    return getModelInferMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest,
      dev.hasten.inference.ModelStreamInferResponse> getModelStreamInferMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelStreamInfer",
      requestType = dev.hasten.inference.ModelInferRequest.class,
      responseType = dev.hasten.inference.ModelStreamInferResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest,
      dev.hasten.inference.ModelStreamInferResponse> getModelStreamInferMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelInferRequest, dev.hasten.inference.ModelStreamInferResponse> getModelStreamInferMethod;
    if ((getModelStreamInferMethod = GRPCInferenceServiceGrpc.getModelStreamInferMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelStreamInferMethod = GRPCInferenceServiceGrpc.getModelStreamInferMethod) == null) {
          GRPCInferenceServiceGrpc.getModelStreamInferMethod = getModelStreamInferMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelInferRequest, dev.hasten.inference.ModelStreamInferResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelStreamInfer"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelInferRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelStreamInferResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelStreamInfer"))
              .build();
        }
      }
    }
    return getModelStreamInferMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelConfigRequest,
      dev.hasten.inference.ModelConfigResponse> getModelConfigMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelConfig",
      requestType = dev.hasten.inference.ModelConfigRequest.class,
      responseType = dev.hasten.inference.ModelConfigResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelConfigRequest,
      dev.hasten.inference.ModelConfigResponse> getModelConfigMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelConfigRequest, dev.hasten.inference.ModelConfigResponse> getModelConfigMethod;
    if ((getModelConfigMethod = GRPCInferenceServiceGrpc.getModelConfigMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelConfigMethod = GRPCInferenceServiceGrpc.getModelConfigMethod) == null) {
          GRPCInferenceServiceGrpc.getModelConfigMethod = getModelConfigMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelConfigRequest, dev.hasten.inference.ModelConfigResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelConfig"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelConfigRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelConfigResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelConfig"))
              .build();
        }
      }
    }
    return getModelConfigMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.ModelStatisticsRequest,
      dev.hasten.inference.ModelStatisticsResponse> getModelStatisticsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ModelStatistics",
      requestType = dev.hasten.inference.ModelStatisticsRequest.class,
      responseType = dev.hasten.inference.ModelStatisticsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.ModelStatisticsRequest,
      dev.hasten.inference.ModelStatisticsResponse> getModelStatisticsMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.ModelStatisticsRequest, dev.hasten.inference.ModelStatisticsResponse> getModelStatisticsMethod;
    if ((getModelStatisticsMethod = GRPCInferenceServiceGrpc.getModelStatisticsMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getModelStatisticsMethod = GRPCInferenceServiceGrpc.getModelStatisticsMethod) == null) {
          GRPCInferenceServiceGrpc.getModelStatisticsMethod = getModelStatisticsMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.ModelStatisticsRequest, dev.hasten.inference.ModelStatisticsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ModelStatistics"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelStatisticsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.ModelStatisticsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("ModelStatistics"))
              .build();
        }
      }
    }
    return getModelStatisticsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryIndexRequest,
      dev.hasten.inference.RepositoryIndexResponse> getRepositoryIndexMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RepositoryIndex",
      requestType = dev.hasten.inference.RepositoryIndexRequest.class,
      responseType = dev.hasten.inference.RepositoryIndexResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryIndexRequest,
      dev.hasten.inference.RepositoryIndexResponse> getRepositoryIndexMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryIndexRequest, dev.hasten.inference.RepositoryIndexResponse> getRepositoryIndexMethod;
    if ((getRepositoryIndexMethod = GRPCInferenceServiceGrpc.getRepositoryIndexMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getRepositoryIndexMethod = GRPCInferenceServiceGrpc.getRepositoryIndexMethod) == null) {
          GRPCInferenceServiceGrpc.getRepositoryIndexMethod = getRepositoryIndexMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.RepositoryIndexRequest, dev.hasten.inference.RepositoryIndexResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RepositoryIndex"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryIndexRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryIndexResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("RepositoryIndex"))
              .build();
        }
      }
    }
    return getRepositoryIndexMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelLoadRequest,
      dev.hasten.inference.RepositoryModelLoadResponse> getRepositoryModelLoadMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RepositoryModelLoad",
      requestType = dev.hasten.inference.RepositoryModelLoadRequest.class,
      responseType = dev.hasten.inference.RepositoryModelLoadResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelLoadRequest,
      dev.hasten.inference.RepositoryModelLoadResponse> getRepositoryModelLoadMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelLoadRequest, dev.hasten.inference.RepositoryModelLoadResponse> getRepositoryModelLoadMethod;
    if ((getRepositoryModelLoadMethod = GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getRepositoryModelLoadMethod = GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod) == null) {
          GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod = getRepositoryModelLoadMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.RepositoryModelLoadRequest, dev.hasten.inference.RepositoryModelLoadResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RepositoryModelLoad"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryModelLoadRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryModelLoadResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("RepositoryModelLoad"))
              .build();
        }
      }
    }
    return getRepositoryModelLoadMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelUnloadRequest,
      dev.hasten.inference.RepositoryModelUnloadResponse> getRepositoryModelUnloadMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RepositoryModelUnload",
      requestType = dev.hasten.inference.RepositoryModelUnloadRequest.class,
      responseType = dev.hasten.inference.RepositoryModelUnloadResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelUnloadRequest,
      dev.hasten.inference.RepositoryModelUnloadResponse> getRepositoryModelUnloadMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.RepositoryModelUnloadRequest, dev.hasten.inference.RepositoryModelUnloadResponse> getRepositoryModelUnloadMethod;
    if ((getRepositoryModelUnloadMethod = GRPCInferenceServiceGrpc.getRepositoryModelUnloadMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getRepositoryModelUnloadMethod = GRPCInferenceServiceGrpc.getRepositoryModelUnloadMethod) == null) {
          GRPCInferenceServiceGrpc.getRepositoryModelUnloadMethod = getRepositoryModelUnloadMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.RepositoryModelUnloadRequest, dev.hasten.inference.RepositoryModelUnloadResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RepositoryModelUnload"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryModelUnloadRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.RepositoryModelUnloadResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("RepositoryModelUnload"))
              .build();
        }
      }
    }
    return getRepositoryModelUnloadMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryStatusRequest,
      dev.hasten.inference.SystemSharedMemoryStatusResponse> getSystemSharedMemoryStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SystemSharedMemoryStatus",
      requestType = dev.hasten.inference.SystemSharedMemoryStatusRequest.class,
      responseType = dev.hasten.inference.SystemSharedMemoryStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryStatusRequest,
      dev.hasten.inference.SystemSharedMemoryStatusResponse> getSystemSharedMemoryStatusMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryStatusRequest, dev.hasten.inference.SystemSharedMemoryStatusResponse> getSystemSharedMemoryStatusMethod;
    if ((getSystemSharedMemoryStatusMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryStatusMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getSystemSharedMemoryStatusMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryStatusMethod) == null) {
          GRPCInferenceServiceGrpc.getSystemSharedMemoryStatusMethod = getSystemSharedMemoryStatusMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.SystemSharedMemoryStatusRequest, dev.hasten.inference.SystemSharedMemoryStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SystemSharedMemoryStatus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("SystemSharedMemoryStatus"))
              .build();
        }
      }
    }
    return getSystemSharedMemoryStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryRegisterRequest,
      dev.hasten.inference.SystemSharedMemoryRegisterResponse> getSystemSharedMemoryRegisterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SystemSharedMemoryRegister",
      requestType = dev.hasten.inference.SystemSharedMemoryRegisterRequest.class,
      responseType = dev.hasten.inference.SystemSharedMemoryRegisterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryRegisterRequest,
      dev.hasten.inference.SystemSharedMemoryRegisterResponse> getSystemSharedMemoryRegisterMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryRegisterRequest, dev.hasten.inference.SystemSharedMemoryRegisterResponse> getSystemSharedMemoryRegisterMethod;
    if ((getSystemSharedMemoryRegisterMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryRegisterMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getSystemSharedMemoryRegisterMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryRegisterMethod) == null) {
          GRPCInferenceServiceGrpc.getSystemSharedMemoryRegisterMethod = getSystemSharedMemoryRegisterMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.SystemSharedMemoryRegisterRequest, dev.hasten.inference.SystemSharedMemoryRegisterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SystemSharedMemoryRegister"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryRegisterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryRegisterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("SystemSharedMemoryRegister"))
              .build();
        }
      }
    }
    return getSystemSharedMemoryRegisterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryUnregisterRequest,
      dev.hasten.inference.SystemSharedMemoryUnregisterResponse> getSystemSharedMemoryUnregisterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SystemSharedMemoryUnregister",
      requestType = dev.hasten.inference.SystemSharedMemoryUnregisterRequest.class,
      responseType = dev.hasten.inference.SystemSharedMemoryUnregisterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryUnregisterRequest,
      dev.hasten.inference.SystemSharedMemoryUnregisterResponse> getSystemSharedMemoryUnregisterMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.SystemSharedMemoryUnregisterRequest, dev.hasten.inference.SystemSharedMemoryUnregisterResponse> getSystemSharedMemoryUnregisterMethod;
    if ((getSystemSharedMemoryUnregisterMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryUnregisterMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getSystemSharedMemoryUnregisterMethod = GRPCInferenceServiceGrpc.getSystemSharedMemoryUnregisterMethod) == null) {
          GRPCInferenceServiceGrpc.getSystemSharedMemoryUnregisterMethod = getSystemSharedMemoryUnregisterMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.SystemSharedMemoryUnregisterRequest, dev.hasten.inference.SystemSharedMemoryUnregisterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SystemSharedMemoryUnregister"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryUnregisterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.SystemSharedMemoryUnregisterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("SystemSharedMemoryUnregister"))
              .build();
        }
      }
    }
    return getSystemSharedMemoryUnregisterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryStatusRequest,
      dev.hasten.inference.CudaSharedMemoryStatusResponse> getCudaSharedMemoryStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CudaSharedMemoryStatus",
      requestType = dev.hasten.inference.CudaSharedMemoryStatusRequest.class,
      responseType = dev.hasten.inference.CudaSharedMemoryStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryStatusRequest,
      dev.hasten.inference.CudaSharedMemoryStatusResponse> getCudaSharedMemoryStatusMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryStatusRequest, dev.hasten.inference.CudaSharedMemoryStatusResponse> getCudaSharedMemoryStatusMethod;
    if ((getCudaSharedMemoryStatusMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryStatusMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getCudaSharedMemoryStatusMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryStatusMethod) == null) {
          GRPCInferenceServiceGrpc.getCudaSharedMemoryStatusMethod = getCudaSharedMemoryStatusMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.CudaSharedMemoryStatusRequest, dev.hasten.inference.CudaSharedMemoryStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CudaSharedMemoryStatus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("CudaSharedMemoryStatus"))
              .build();
        }
      }
    }
    return getCudaSharedMemoryStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryRegisterRequest,
      dev.hasten.inference.CudaSharedMemoryRegisterResponse> getCudaSharedMemoryRegisterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CudaSharedMemoryRegister",
      requestType = dev.hasten.inference.CudaSharedMemoryRegisterRequest.class,
      responseType = dev.hasten.inference.CudaSharedMemoryRegisterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryRegisterRequest,
      dev.hasten.inference.CudaSharedMemoryRegisterResponse> getCudaSharedMemoryRegisterMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryRegisterRequest, dev.hasten.inference.CudaSharedMemoryRegisterResponse> getCudaSharedMemoryRegisterMethod;
    if ((getCudaSharedMemoryRegisterMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryRegisterMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getCudaSharedMemoryRegisterMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryRegisterMethod) == null) {
          GRPCInferenceServiceGrpc.getCudaSharedMemoryRegisterMethod = getCudaSharedMemoryRegisterMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.CudaSharedMemoryRegisterRequest, dev.hasten.inference.CudaSharedMemoryRegisterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CudaSharedMemoryRegister"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryRegisterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryRegisterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("CudaSharedMemoryRegister"))
              .build();
        }
      }
    }
    return getCudaSharedMemoryRegisterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryUnregisterRequest,
      dev.hasten.inference.CudaSharedMemoryUnregisterResponse> getCudaSharedMemoryUnregisterMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CudaSharedMemoryUnregister",
      requestType = dev.hasten.inference.CudaSharedMemoryUnregisterRequest.class,
      responseType = dev.hasten.inference.CudaSharedMemoryUnregisterResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryUnregisterRequest,
      dev.hasten.inference.CudaSharedMemoryUnregisterResponse> getCudaSharedMemoryUnregisterMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.CudaSharedMemoryUnregisterRequest, dev.hasten.inference.CudaSharedMemoryUnregisterResponse> getCudaSharedMemoryUnregisterMethod;
    if ((getCudaSharedMemoryUnregisterMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryUnregisterMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getCudaSharedMemoryUnregisterMethod = GRPCInferenceServiceGrpc.getCudaSharedMemoryUnregisterMethod) == null) {
          GRPCInferenceServiceGrpc.getCudaSharedMemoryUnregisterMethod = getCudaSharedMemoryUnregisterMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.CudaSharedMemoryUnregisterRequest, dev.hasten.inference.CudaSharedMemoryUnregisterResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CudaSharedMemoryUnregister"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryUnregisterRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.CudaSharedMemoryUnregisterResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("CudaSharedMemoryUnregister"))
              .build();
        }
      }
    }
    return getCudaSharedMemoryUnregisterMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.TraceSettingRequest,
      dev.hasten.inference.TraceSettingResponse> getTraceSettingMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TraceSetting",
      requestType = dev.hasten.inference.TraceSettingRequest.class,
      responseType = dev.hasten.inference.TraceSettingResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.TraceSettingRequest,
      dev.hasten.inference.TraceSettingResponse> getTraceSettingMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.TraceSettingRequest, dev.hasten.inference.TraceSettingResponse> getTraceSettingMethod;
    if ((getTraceSettingMethod = GRPCInferenceServiceGrpc.getTraceSettingMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getTraceSettingMethod = GRPCInferenceServiceGrpc.getTraceSettingMethod) == null) {
          GRPCInferenceServiceGrpc.getTraceSettingMethod = getTraceSettingMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.TraceSettingRequest, dev.hasten.inference.TraceSettingResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TraceSetting"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.TraceSettingRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.TraceSettingResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("TraceSetting"))
              .build();
        }
      }
    }
    return getTraceSettingMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.hasten.inference.LogSettingsRequest,
      dev.hasten.inference.LogSettingsResponse> getLogSettingsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "LogSettings",
      requestType = dev.hasten.inference.LogSettingsRequest.class,
      responseType = dev.hasten.inference.LogSettingsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.hasten.inference.LogSettingsRequest,
      dev.hasten.inference.LogSettingsResponse> getLogSettingsMethod() {
    io.grpc.MethodDescriptor<dev.hasten.inference.LogSettingsRequest, dev.hasten.inference.LogSettingsResponse> getLogSettingsMethod;
    if ((getLogSettingsMethod = GRPCInferenceServiceGrpc.getLogSettingsMethod) == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        if ((getLogSettingsMethod = GRPCInferenceServiceGrpc.getLogSettingsMethod) == null) {
          GRPCInferenceServiceGrpc.getLogSettingsMethod = getLogSettingsMethod =
              io.grpc.MethodDescriptor.<dev.hasten.inference.LogSettingsRequest, dev.hasten.inference.LogSettingsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "LogSettings"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.LogSettingsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.hasten.inference.LogSettingsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GRPCInferenceServiceMethodDescriptorSupplier("LogSettings"))
              .build();
        }
      }
    }
    return getLogSettingsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static GRPCInferenceServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceStub>() {
        @java.lang.Override
        public GRPCInferenceServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GRPCInferenceServiceStub(channel, callOptions);
        }
      };
    return GRPCInferenceServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static GRPCInferenceServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceBlockingStub>() {
        @java.lang.Override
        public GRPCInferenceServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GRPCInferenceServiceBlockingStub(channel, callOptions);
        }
      };
    return GRPCInferenceServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static GRPCInferenceServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GRPCInferenceServiceFutureStub>() {
        @java.lang.Override
        public GRPCInferenceServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GRPCInferenceServiceFutureStub(channel, callOptions);
        }
      };
    return GRPCInferenceServiceFutureStub.newStub(factory, channel);
  }

  /**
   */
  public static abstract class GRPCInferenceServiceImplBase implements io.grpc.BindableService {

    /**
     */
    public void serverLive(dev.hasten.inference.ServerLiveRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerLiveResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getServerLiveMethod(), responseObserver);
    }

    /**
     */
    public void serverReady(dev.hasten.inference.ServerReadyRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerReadyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getServerReadyMethod(), responseObserver);
    }

    /**
     */
    public void modelReady(dev.hasten.inference.ModelReadyRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelReadyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getModelReadyMethod(), responseObserver);
    }

    /**
     */
    public void serverMetadata(dev.hasten.inference.ServerMetadataRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerMetadataResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getServerMetadataMethod(), responseObserver);
    }

    /**
     */
    public void modelMetadata(dev.hasten.inference.ModelMetadataRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelMetadataResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getModelMetadataMethod(), responseObserver);
    }

    /**
     */
    public void modelInfer(dev.hasten.inference.ModelInferRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelInferResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getModelInferMethod(), responseObserver);
    }

    /**
     */
    public io.grpc.stub.StreamObserver<dev.hasten.inference.ModelInferRequest> modelStreamInfer(
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStreamInferResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getModelStreamInferMethod(), responseObserver);
    }

    /**
     */
    public void modelConfig(dev.hasten.inference.ModelConfigRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelConfigResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getModelConfigMethod(), responseObserver);
    }

    /**
     */
    public void modelStatistics(dev.hasten.inference.ModelStatisticsRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStatisticsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getModelStatisticsMethod(), responseObserver);
    }

    /**
     */
    public void repositoryIndex(dev.hasten.inference.RepositoryIndexRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryIndexResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRepositoryIndexMethod(), responseObserver);
    }

    /**
     */
    public void repositoryModelLoad(dev.hasten.inference.RepositoryModelLoadRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelLoadResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRepositoryModelLoadMethod(), responseObserver);
    }

    /**
     */
    public void repositoryModelUnload(dev.hasten.inference.RepositoryModelUnloadRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelUnloadResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRepositoryModelUnloadMethod(), responseObserver);
    }

    /**
     */
    public void systemSharedMemoryStatus(dev.hasten.inference.SystemSharedMemoryStatusRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSystemSharedMemoryStatusMethod(), responseObserver);
    }

    /**
     */
    public void systemSharedMemoryRegister(dev.hasten.inference.SystemSharedMemoryRegisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryRegisterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSystemSharedMemoryRegisterMethod(), responseObserver);
    }

    /**
     */
    public void systemSharedMemoryUnregister(dev.hasten.inference.SystemSharedMemoryUnregisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryUnregisterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSystemSharedMemoryUnregisterMethod(), responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryStatus(dev.hasten.inference.CudaSharedMemoryStatusRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCudaSharedMemoryStatusMethod(), responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryRegister(dev.hasten.inference.CudaSharedMemoryRegisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryRegisterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCudaSharedMemoryRegisterMethod(), responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryUnregister(dev.hasten.inference.CudaSharedMemoryUnregisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryUnregisterResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCudaSharedMemoryUnregisterMethod(), responseObserver);
    }

    /**
     */
    public void traceSetting(dev.hasten.inference.TraceSettingRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.TraceSettingResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTraceSettingMethod(), responseObserver);
    }

    /**
     */
    public void logSettings(dev.hasten.inference.LogSettingsRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.LogSettingsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getLogSettingsMethod(), responseObserver);
    }

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
          .addMethod(
            getServerLiveMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ServerLiveRequest,
                dev.hasten.inference.ServerLiveResponse>(
                  this, METHODID_SERVER_LIVE)))
          .addMethod(
            getServerReadyMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ServerReadyRequest,
                dev.hasten.inference.ServerReadyResponse>(
                  this, METHODID_SERVER_READY)))
          .addMethod(
            getModelReadyMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ModelReadyRequest,
                dev.hasten.inference.ModelReadyResponse>(
                  this, METHODID_MODEL_READY)))
          .addMethod(
            getServerMetadataMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ServerMetadataRequest,
                dev.hasten.inference.ServerMetadataResponse>(
                  this, METHODID_SERVER_METADATA)))
          .addMethod(
            getModelMetadataMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ModelMetadataRequest,
                dev.hasten.inference.ModelMetadataResponse>(
                  this, METHODID_MODEL_METADATA)))
          .addMethod(
            getModelInferMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ModelInferRequest,
                dev.hasten.inference.ModelInferResponse>(
                  this, METHODID_MODEL_INFER)))
          .addMethod(
            getModelStreamInferMethod(),
            io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
              new MethodHandlers<
                dev.hasten.inference.ModelInferRequest,
                dev.hasten.inference.ModelStreamInferResponse>(
                  this, METHODID_MODEL_STREAM_INFER)))
          .addMethod(
            getModelConfigMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ModelConfigRequest,
                dev.hasten.inference.ModelConfigResponse>(
                  this, METHODID_MODEL_CONFIG)))
          .addMethod(
            getModelStatisticsMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.ModelStatisticsRequest,
                dev.hasten.inference.ModelStatisticsResponse>(
                  this, METHODID_MODEL_STATISTICS)))
          .addMethod(
            getRepositoryIndexMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.RepositoryIndexRequest,
                dev.hasten.inference.RepositoryIndexResponse>(
                  this, METHODID_REPOSITORY_INDEX)))
          .addMethod(
            getRepositoryModelLoadMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.RepositoryModelLoadRequest,
                dev.hasten.inference.RepositoryModelLoadResponse>(
                  this, METHODID_REPOSITORY_MODEL_LOAD)))
          .addMethod(
            getRepositoryModelUnloadMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.RepositoryModelUnloadRequest,
                dev.hasten.inference.RepositoryModelUnloadResponse>(
                  this, METHODID_REPOSITORY_MODEL_UNLOAD)))
          .addMethod(
            getSystemSharedMemoryStatusMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.SystemSharedMemoryStatusRequest,
                dev.hasten.inference.SystemSharedMemoryStatusResponse>(
                  this, METHODID_SYSTEM_SHARED_MEMORY_STATUS)))
          .addMethod(
            getSystemSharedMemoryRegisterMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.SystemSharedMemoryRegisterRequest,
                dev.hasten.inference.SystemSharedMemoryRegisterResponse>(
                  this, METHODID_SYSTEM_SHARED_MEMORY_REGISTER)))
          .addMethod(
            getSystemSharedMemoryUnregisterMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.SystemSharedMemoryUnregisterRequest,
                dev.hasten.inference.SystemSharedMemoryUnregisterResponse>(
                  this, METHODID_SYSTEM_SHARED_MEMORY_UNREGISTER)))
          .addMethod(
            getCudaSharedMemoryStatusMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.CudaSharedMemoryStatusRequest,
                dev.hasten.inference.CudaSharedMemoryStatusResponse>(
                  this, METHODID_CUDA_SHARED_MEMORY_STATUS)))
          .addMethod(
            getCudaSharedMemoryRegisterMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.CudaSharedMemoryRegisterRequest,
                dev.hasten.inference.CudaSharedMemoryRegisterResponse>(
                  this, METHODID_CUDA_SHARED_MEMORY_REGISTER)))
          .addMethod(
            getCudaSharedMemoryUnregisterMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.CudaSharedMemoryUnregisterRequest,
                dev.hasten.inference.CudaSharedMemoryUnregisterResponse>(
                  this, METHODID_CUDA_SHARED_MEMORY_UNREGISTER)))
          .addMethod(
            getTraceSettingMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.TraceSettingRequest,
                dev.hasten.inference.TraceSettingResponse>(
                  this, METHODID_TRACE_SETTING)))
          .addMethod(
            getLogSettingsMethod(),
            io.grpc.stub.ServerCalls.asyncUnaryCall(
              new MethodHandlers<
                dev.hasten.inference.LogSettingsRequest,
                dev.hasten.inference.LogSettingsResponse>(
                  this, METHODID_LOG_SETTINGS)))
          .build();
    }
  }

  /**
   */
  public static final class GRPCInferenceServiceStub extends io.grpc.stub.AbstractAsyncStub<GRPCInferenceServiceStub> {
    private GRPCInferenceServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GRPCInferenceServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GRPCInferenceServiceStub(channel, callOptions);
    }

    /**
     */
    public void serverLive(dev.hasten.inference.ServerLiveRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerLiveResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getServerLiveMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void serverReady(dev.hasten.inference.ServerReadyRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerReadyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getServerReadyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void modelReady(dev.hasten.inference.ModelReadyRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelReadyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getModelReadyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void serverMetadata(dev.hasten.inference.ServerMetadataRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ServerMetadataResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getServerMetadataMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void modelMetadata(dev.hasten.inference.ModelMetadataRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelMetadataResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getModelMetadataMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void modelInfer(dev.hasten.inference.ModelInferRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelInferResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getModelInferMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public io.grpc.stub.StreamObserver<dev.hasten.inference.ModelInferRequest> modelStreamInfer(
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStreamInferResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getModelStreamInferMethod(), getCallOptions()), responseObserver);
    }

    /**
     */
    public void modelConfig(dev.hasten.inference.ModelConfigRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelConfigResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getModelConfigMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void modelStatistics(dev.hasten.inference.ModelStatisticsRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStatisticsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getModelStatisticsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void repositoryIndex(dev.hasten.inference.RepositoryIndexRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryIndexResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRepositoryIndexMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void repositoryModelLoad(dev.hasten.inference.RepositoryModelLoadRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelLoadResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRepositoryModelLoadMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void repositoryModelUnload(dev.hasten.inference.RepositoryModelUnloadRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelUnloadResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRepositoryModelUnloadMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void systemSharedMemoryStatus(dev.hasten.inference.SystemSharedMemoryStatusRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSystemSharedMemoryStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void systemSharedMemoryRegister(dev.hasten.inference.SystemSharedMemoryRegisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryRegisterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSystemSharedMemoryRegisterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void systemSharedMemoryUnregister(dev.hasten.inference.SystemSharedMemoryUnregisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryUnregisterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSystemSharedMemoryUnregisterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryStatus(dev.hasten.inference.CudaSharedMemoryStatusRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCudaSharedMemoryStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryRegister(dev.hasten.inference.CudaSharedMemoryRegisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryRegisterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCudaSharedMemoryRegisterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void cudaSharedMemoryUnregister(dev.hasten.inference.CudaSharedMemoryUnregisterRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryUnregisterResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCudaSharedMemoryUnregisterMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void traceSetting(dev.hasten.inference.TraceSettingRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.TraceSettingResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTraceSettingMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     */
    public void logSettings(dev.hasten.inference.LogSettingsRequest request,
        io.grpc.stub.StreamObserver<dev.hasten.inference.LogSettingsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getLogSettingsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   */
  public static final class GRPCInferenceServiceBlockingStub extends io.grpc.stub.AbstractBlockingStub<GRPCInferenceServiceBlockingStub> {
    private GRPCInferenceServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GRPCInferenceServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GRPCInferenceServiceBlockingStub(channel, callOptions);
    }

    /**
     */
    public dev.hasten.inference.ServerLiveResponse serverLive(dev.hasten.inference.ServerLiveRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getServerLiveMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ServerReadyResponse serverReady(dev.hasten.inference.ServerReadyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getServerReadyMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ModelReadyResponse modelReady(dev.hasten.inference.ModelReadyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getModelReadyMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ServerMetadataResponse serverMetadata(dev.hasten.inference.ServerMetadataRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getServerMetadataMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ModelMetadataResponse modelMetadata(dev.hasten.inference.ModelMetadataRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getModelMetadataMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ModelInferResponse modelInfer(dev.hasten.inference.ModelInferRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getModelInferMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ModelConfigResponse modelConfig(dev.hasten.inference.ModelConfigRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getModelConfigMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.ModelStatisticsResponse modelStatistics(dev.hasten.inference.ModelStatisticsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getModelStatisticsMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.RepositoryIndexResponse repositoryIndex(dev.hasten.inference.RepositoryIndexRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRepositoryIndexMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.RepositoryModelLoadResponse repositoryModelLoad(dev.hasten.inference.RepositoryModelLoadRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRepositoryModelLoadMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.RepositoryModelUnloadResponse repositoryModelUnload(dev.hasten.inference.RepositoryModelUnloadRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRepositoryModelUnloadMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.SystemSharedMemoryStatusResponse systemSharedMemoryStatus(dev.hasten.inference.SystemSharedMemoryStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSystemSharedMemoryStatusMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.SystemSharedMemoryRegisterResponse systemSharedMemoryRegister(dev.hasten.inference.SystemSharedMemoryRegisterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSystemSharedMemoryRegisterMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.SystemSharedMemoryUnregisterResponse systemSharedMemoryUnregister(dev.hasten.inference.SystemSharedMemoryUnregisterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSystemSharedMemoryUnregisterMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.CudaSharedMemoryStatusResponse cudaSharedMemoryStatus(dev.hasten.inference.CudaSharedMemoryStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCudaSharedMemoryStatusMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.CudaSharedMemoryRegisterResponse cudaSharedMemoryRegister(dev.hasten.inference.CudaSharedMemoryRegisterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCudaSharedMemoryRegisterMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.CudaSharedMemoryUnregisterResponse cudaSharedMemoryUnregister(dev.hasten.inference.CudaSharedMemoryUnregisterRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCudaSharedMemoryUnregisterMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.TraceSettingResponse traceSetting(dev.hasten.inference.TraceSettingRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTraceSettingMethod(), getCallOptions(), request);
    }

    /**
     */
    public dev.hasten.inference.LogSettingsResponse logSettings(dev.hasten.inference.LogSettingsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getLogSettingsMethod(), getCallOptions(), request);
    }
  }

  /**
   */
  public static final class GRPCInferenceServiceFutureStub extends io.grpc.stub.AbstractFutureStub<GRPCInferenceServiceFutureStub> {
    private GRPCInferenceServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GRPCInferenceServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GRPCInferenceServiceFutureStub(channel, callOptions);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ServerLiveResponse> serverLive(
        dev.hasten.inference.ServerLiveRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getServerLiveMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ServerReadyResponse> serverReady(
        dev.hasten.inference.ServerReadyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getServerReadyMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ModelReadyResponse> modelReady(
        dev.hasten.inference.ModelReadyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getModelReadyMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ServerMetadataResponse> serverMetadata(
        dev.hasten.inference.ServerMetadataRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getServerMetadataMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ModelMetadataResponse> modelMetadata(
        dev.hasten.inference.ModelMetadataRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getModelMetadataMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ModelInferResponse> modelInfer(
        dev.hasten.inference.ModelInferRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getModelInferMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ModelConfigResponse> modelConfig(
        dev.hasten.inference.ModelConfigRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getModelConfigMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.ModelStatisticsResponse> modelStatistics(
        dev.hasten.inference.ModelStatisticsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getModelStatisticsMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.RepositoryIndexResponse> repositoryIndex(
        dev.hasten.inference.RepositoryIndexRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRepositoryIndexMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.RepositoryModelLoadResponse> repositoryModelLoad(
        dev.hasten.inference.RepositoryModelLoadRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRepositoryModelLoadMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.RepositoryModelUnloadResponse> repositoryModelUnload(
        dev.hasten.inference.RepositoryModelUnloadRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRepositoryModelUnloadMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.SystemSharedMemoryStatusResponse> systemSharedMemoryStatus(
        dev.hasten.inference.SystemSharedMemoryStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSystemSharedMemoryStatusMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.SystemSharedMemoryRegisterResponse> systemSharedMemoryRegister(
        dev.hasten.inference.SystemSharedMemoryRegisterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSystemSharedMemoryRegisterMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.SystemSharedMemoryUnregisterResponse> systemSharedMemoryUnregister(
        dev.hasten.inference.SystemSharedMemoryUnregisterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSystemSharedMemoryUnregisterMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.CudaSharedMemoryStatusResponse> cudaSharedMemoryStatus(
        dev.hasten.inference.CudaSharedMemoryStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCudaSharedMemoryStatusMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.CudaSharedMemoryRegisterResponse> cudaSharedMemoryRegister(
        dev.hasten.inference.CudaSharedMemoryRegisterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCudaSharedMemoryRegisterMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.CudaSharedMemoryUnregisterResponse> cudaSharedMemoryUnregister(
        dev.hasten.inference.CudaSharedMemoryUnregisterRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCudaSharedMemoryUnregisterMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.TraceSettingResponse> traceSetting(
        dev.hasten.inference.TraceSettingRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTraceSettingMethod(), getCallOptions()), request);
    }

    /**
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.hasten.inference.LogSettingsResponse> logSettings(
        dev.hasten.inference.LogSettingsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getLogSettingsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_SERVER_LIVE = 0;
  private static final int METHODID_SERVER_READY = 1;
  private static final int METHODID_MODEL_READY = 2;
  private static final int METHODID_SERVER_METADATA = 3;
  private static final int METHODID_MODEL_METADATA = 4;
  private static final int METHODID_MODEL_INFER = 5;
  private static final int METHODID_MODEL_CONFIG = 6;
  private static final int METHODID_MODEL_STATISTICS = 7;
  private static final int METHODID_REPOSITORY_INDEX = 8;
  private static final int METHODID_REPOSITORY_MODEL_LOAD = 9;
  private static final int METHODID_REPOSITORY_MODEL_UNLOAD = 10;
  private static final int METHODID_SYSTEM_SHARED_MEMORY_STATUS = 11;
  private static final int METHODID_SYSTEM_SHARED_MEMORY_REGISTER = 12;
  private static final int METHODID_SYSTEM_SHARED_MEMORY_UNREGISTER = 13;
  private static final int METHODID_CUDA_SHARED_MEMORY_STATUS = 14;
  private static final int METHODID_CUDA_SHARED_MEMORY_REGISTER = 15;
  private static final int METHODID_CUDA_SHARED_MEMORY_UNREGISTER = 16;
  private static final int METHODID_TRACE_SETTING = 17;
  private static final int METHODID_LOG_SETTINGS = 18;
  private static final int METHODID_MODEL_STREAM_INFER = 19;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final GRPCInferenceServiceImplBase serviceImpl;
    private final int methodId;

    MethodHandlers(GRPCInferenceServiceImplBase serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_SERVER_LIVE:
          serviceImpl.serverLive((dev.hasten.inference.ServerLiveRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ServerLiveResponse>) responseObserver);
          break;
        case METHODID_SERVER_READY:
          serviceImpl.serverReady((dev.hasten.inference.ServerReadyRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ServerReadyResponse>) responseObserver);
          break;
        case METHODID_MODEL_READY:
          serviceImpl.modelReady((dev.hasten.inference.ModelReadyRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelReadyResponse>) responseObserver);
          break;
        case METHODID_SERVER_METADATA:
          serviceImpl.serverMetadata((dev.hasten.inference.ServerMetadataRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ServerMetadataResponse>) responseObserver);
          break;
        case METHODID_MODEL_METADATA:
          serviceImpl.modelMetadata((dev.hasten.inference.ModelMetadataRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelMetadataResponse>) responseObserver);
          break;
        case METHODID_MODEL_INFER:
          serviceImpl.modelInfer((dev.hasten.inference.ModelInferRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelInferResponse>) responseObserver);
          break;
        case METHODID_MODEL_CONFIG:
          serviceImpl.modelConfig((dev.hasten.inference.ModelConfigRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelConfigResponse>) responseObserver);
          break;
        case METHODID_MODEL_STATISTICS:
          serviceImpl.modelStatistics((dev.hasten.inference.ModelStatisticsRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStatisticsResponse>) responseObserver);
          break;
        case METHODID_REPOSITORY_INDEX:
          serviceImpl.repositoryIndex((dev.hasten.inference.RepositoryIndexRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryIndexResponse>) responseObserver);
          break;
        case METHODID_REPOSITORY_MODEL_LOAD:
          serviceImpl.repositoryModelLoad((dev.hasten.inference.RepositoryModelLoadRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelLoadResponse>) responseObserver);
          break;
        case METHODID_REPOSITORY_MODEL_UNLOAD:
          serviceImpl.repositoryModelUnload((dev.hasten.inference.RepositoryModelUnloadRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.RepositoryModelUnloadResponse>) responseObserver);
          break;
        case METHODID_SYSTEM_SHARED_MEMORY_STATUS:
          serviceImpl.systemSharedMemoryStatus((dev.hasten.inference.SystemSharedMemoryStatusRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryStatusResponse>) responseObserver);
          break;
        case METHODID_SYSTEM_SHARED_MEMORY_REGISTER:
          serviceImpl.systemSharedMemoryRegister((dev.hasten.inference.SystemSharedMemoryRegisterRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryRegisterResponse>) responseObserver);
          break;
        case METHODID_SYSTEM_SHARED_MEMORY_UNREGISTER:
          serviceImpl.systemSharedMemoryUnregister((dev.hasten.inference.SystemSharedMemoryUnregisterRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.SystemSharedMemoryUnregisterResponse>) responseObserver);
          break;
        case METHODID_CUDA_SHARED_MEMORY_STATUS:
          serviceImpl.cudaSharedMemoryStatus((dev.hasten.inference.CudaSharedMemoryStatusRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryStatusResponse>) responseObserver);
          break;
        case METHODID_CUDA_SHARED_MEMORY_REGISTER:
          serviceImpl.cudaSharedMemoryRegister((dev.hasten.inference.CudaSharedMemoryRegisterRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryRegisterResponse>) responseObserver);
          break;
        case METHODID_CUDA_SHARED_MEMORY_UNREGISTER:
          serviceImpl.cudaSharedMemoryUnregister((dev.hasten.inference.CudaSharedMemoryUnregisterRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.CudaSharedMemoryUnregisterResponse>) responseObserver);
          break;
        case METHODID_TRACE_SETTING:
          serviceImpl.traceSetting((dev.hasten.inference.TraceSettingRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.TraceSettingResponse>) responseObserver);
          break;
        case METHODID_LOG_SETTINGS:
          serviceImpl.logSettings((dev.hasten.inference.LogSettingsRequest) request,
              (io.grpc.stub.StreamObserver<dev.hasten.inference.LogSettingsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_MODEL_STREAM_INFER:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.modelStreamInfer(
              (io.grpc.stub.StreamObserver<dev.hasten.inference.ModelStreamInferResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  private static abstract class GRPCInferenceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    GRPCInferenceServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.hasten.inference.Inference.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("GRPCInferenceService");
    }
  }

  private static final class GRPCInferenceServiceFileDescriptorSupplier
      extends GRPCInferenceServiceBaseDescriptorSupplier {
    GRPCInferenceServiceFileDescriptorSupplier() {}
  }

  private static final class GRPCInferenceServiceMethodDescriptorSupplier
      extends GRPCInferenceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final String methodName;

    GRPCInferenceServiceMethodDescriptorSupplier(String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (GRPCInferenceServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new GRPCInferenceServiceFileDescriptorSupplier())
              .addMethod(getServerLiveMethod())
              .addMethod(getServerReadyMethod())
              .addMethod(getModelReadyMethod())
              .addMethod(getServerMetadataMethod())
              .addMethod(getModelMetadataMethod())
              .addMethod(getModelInferMethod())
              .addMethod(getModelStreamInferMethod())
              .addMethod(getModelConfigMethod())
              .addMethod(getModelStatisticsMethod())
              .addMethod(getRepositoryIndexMethod())
              .addMethod(getRepositoryModelLoadMethod())
              .addMethod(getRepositoryModelUnloadMethod())
              .addMethod(getSystemSharedMemoryStatusMethod())
              .addMethod(getSystemSharedMemoryRegisterMethod())
              .addMethod(getSystemSharedMemoryUnregisterMethod())
              .addMethod(getCudaSharedMemoryStatusMethod())
              .addMethod(getCudaSharedMemoryRegisterMethod())
              .addMethod(getCudaSharedMemoryUnregisterMethod())
              .addMethod(getTraceSettingMethod())
              .addMethod(getLogSettingsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
