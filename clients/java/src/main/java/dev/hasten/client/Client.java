package dev.hasten.client;

import com.google.gson.Gson;
import dev.hasten.inference.GRPCInferenceServiceGrpc;
import dev.hasten.inference.GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub;
import dev.hasten.inference.ModelInferRequest;
import dev.hasten.inference.ModelInferResponse;
import io.grpc.EquivalentAddressGroup;
import io.grpc.ManagedChannel;
import io.grpc.NameResolver;
import io.grpc.StatusOr;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/** Calls the inference service; safe for many threads. */
public final class Client implements AutoCloseable {
  /** The channel to all routers. */
  public final ManagedChannel channel;
  /** The calls that this class does not wrap; give each a deadline. */
  public final GRPCInferenceServiceBlockingStub stub;

  /** Of one or several routers, each "host:port", without TLS. */
  public Client(List<String> addresses) {
    this(addresses, NettyChannelBuilder::usePlaintext);
  }

  /**
   * Calls go to the routers that are ready, and once more elsewhere when one cannot serve.
   *
   * @param options of the channel: TLS, keepalive, interceptors
   */
  public Client(List<String> addresses, UnaryOperator<NettyChannelBuilder> options) {
    var builder = NettyChannelBuilder.forTarget("hasten:///routers")
        .nameResolverFactory(new Routers(addresses))
        .defaultServiceConfig(serviceConfig())
        .enableRetry()
        .maxInboundMessageSize(Integer.MAX_VALUE);
    channel = options.apply(builder).build();
    stub = GRPCInferenceServiceGrpc.newBlockingStub(channel);
  }

  /**
   * Asks for an answer within the deadline.
   *
   * @throws Refusal there was none
   */
  public ModelInferResponse infer(ModelInferRequest request, Duration deadline) {
    return infer(request, deadline, stub);
  }

  /** The same by a stub with metadata or compression of its own. */
  public ModelInferResponse infer(
      ModelInferRequest request, Duration deadline, GRPCInferenceServiceBlockingStub by) {
    try {
      return by.withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS).modelInfer(request);
    } catch (StatusRuntimeException error) {
      throw new Refusal(error);
    }
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }

  @SuppressWarnings("unchecked")
  private static Map<String, ?> serviceConfig() {
    var file = Client.class.getResourceAsStream("/service_config.json");
    return new Gson().fromJson(new InputStreamReader(file, StandardCharsets.UTF_8), Map.class);
  }

  /** All routers at once: grpc-java has no scheme for a list of addresses. */
  private static final class Routers extends NameResolver.Factory {
    private final List<EquivalentAddressGroup> routers;

    Routers(List<String> addresses) {
      routers = addresses.stream().map(Routers::router).toList();
    }

    private static EquivalentAddressGroup router(String address) {
      int colon = address.lastIndexOf(':');
      int port = Integer.parseInt(address.substring(colon + 1));
      SocketAddress router = new InetSocketAddress(address.substring(0, colon), port);
      return new EquivalentAddressGroup(router);
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "routers";
        }

        @Override
        public void start(Listener2 listener) {
          listener.onResult(
              ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(routers)).build());
        }

        @Override
        public void shutdown() {}
      };
    }

    @Override
    public String getDefaultScheme() {
      return "hasten";
    }
  }
}
