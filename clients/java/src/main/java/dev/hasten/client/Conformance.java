package dev.hasten.client;

import com.google.gson.Gson;
import dev.hasten.common.v1.Timing;
import dev.hasten.inference.GRPCInferenceServiceGrpc;
import dev.hasten.inference.InferParameter;
import dev.hasten.inference.InferTensorContents;
import dev.hasten.inference.ModelInferRequest;
import dev.hasten.inference.ModelInferResponse;
import dev.hasten.inference.ModelStreamInferResponse;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Makes the call that the words of a row describe, and prints how it went as one JSON line: one row in
 * the arguments, or many on standard input. clients/README.md says what the words mean.
 */
public final class Conformance {
  private static final Metadata.Key<byte[]> TIMING =
      Metadata.Key.of("hasten-timing-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private final Map<String, String> w = new HashMap<>();

  public static void main(String[] row) throws Exception {
    if (row.length > 0) {
      new Conformance(row).run(row[0]);
      return;
    }
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.trim().split("\\s+");
      new Conformance(words).run(words[0]);
    }
  }

  private Conformance(String[] row) {
    for (String word : Arrays.asList(row).subList(1, row.length)) {
      String[] pair = word.split("=", 2);
      w.put(pair[0], pair[1]);
    }
  }

  private void run(String verb) throws Exception {
    Map<String, Object> said;
    try (Client client = new Client(List.of(w.get("to").split(",")))) {
      said = switch (verb) {
        case "infer" -> infer(client);
        case "stream" -> stream(client);
        case "watch" -> watch(client);
        default -> cancel(client);
      };
    } catch (Refusal refusal) {
      said = told(refusal);
    }
    System.out.println(new Gson().toJson(said));
  }

  private long number(String name, long otherwise) {
    return w.containsKey(name) ? Long.parseLong(w.get(name)) : otherwise;
  }

  private Duration deadline() {
    return Duration.ofNanos(1000 * number("deadline_us", 20_000_000));
  }

  private ModelInferRequest request() {
    var request = ModelInferRequest.newBuilder().setModelName(w.get("model")).setId(w.getOrDefault("id", ""));
    List<Long> shape = Arrays.stream(w.get("shape").split(",")).map(Long::valueOf).toList();
    String[] texts = w.containsKey("values") ? w.get("values").split(",") : new String[0];
    float[] values = new float[(int) number("zeros", texts.length)];
    for (int at = 0; at < texts.length; at++) {
      values[at] = Float.parseFloat(texts[at]);
    }
    if (w.containsKey("text")) {
      Tensors.add(request, w.get("input"), shape, w.get("text"));
    } else if (w.containsKey("typed")) {
      var contents = InferTensorContents.newBuilder();
      for (float value : values) {
        contents.addFp32Contents(value);
      }
      request.addInputsBuilder().setName(w.get("input")).setDatatype("FP32").addAllShape(shape).setContents(contents);
    } else {
      Tensors.add(request, w.get("input"), shape, values);
    }
    if (w.containsKey("classes")) {
      var top = InferParameter.newBuilder().setInt64Param(number("classes", 1)).build();
      request.addOutputsBuilder().setName(w.get("output")).putParameters("classification", top);
    }
    if (w.containsKey("priority")) {
      request.putParameters("priority", InferParameter.newBuilder().setUint64Param(number("priority", 0)).build());
    }
    if (w.containsKey("tenant")) {
      request.putParameters("tenant", InferParameter.newBuilder().setStringParam(w.get("tenant")).build());
    }
    return request.build();
  }

  private Map<String, Object> infer(Client client) throws Exception {
    var headers = new Metadata();
    var trailers = new AtomicReference<Metadata>();
    var stub = client.stub;
    if (w.containsKey("gzip")) {
      headers.put(Metadata.Key.of("hasten-compress", Metadata.ASCII_STRING_MARSHALLER), "gzip");
      stub = stub.withCompression("gzip");
    }
    if (w.containsKey("timing")) {
      headers.put(Metadata.Key.of("hasten-timing", Metadata.ASCII_STRING_MARSHALLER), "1");
    }
    stub = stub.withInterceptors(
        MetadataUtils.newAttachHeadersInterceptor(headers),
        MetadataUtils.newCaptureMetadataInterceptor(new AtomicReference<>(), trailers));
    Map<String, Object> said = new TreeMap<>(Map.of("status", "OK"));
    double worst = 0;
    int answered = 0;
    while ("OK".equals(said.get("status")) && answered < number("repeat", 1)) {
      var request = request();
      long began = System.nanoTime();
      try {
        said = told(client.infer(request, deadline(), stub));
        answered++;
      } catch (Refusal refusal) {
        said = told(refusal);
      }
      double took = (System.nanoTime() - began) / 1e6;
      worst = Math.max(worst, took);
      said.put("took_ms", took);
    }
    if (trailers.get() != null && trailers.get().containsKey(TIMING)) {
      var timing = Timing.parseFrom(trailers.get().get(TIMING));
      said.put("compute_us", timing.getComputeUs());
      said.put("worker", timing.getWorkerId());
    }
    said.put("answered", answered);
    said.put("late_ms", worst - deadline().toNanos() / 1e6);
    return said;
  }

  private static Map<String, Object> told(Refusal refusal) {
    Map<String, Object> said = new TreeMap<>();
    said.put("status", refusal.code.name());
    said.put("reason", refusal.reason);
    said.put("facts", refusal.facts);
    said.put("begun", refusal.begun);
    if (refusal.retryAfter != null) {
      said.put("retry_after_s", refusal.retryAfter.toNanos() / 1e9);
    }
    return said;
  }

  private Map<String, Object> told(ModelInferResponse response) {
    Map<String, Object> said = new TreeMap<>(Map.of("status", "OK", "id", response.getId()));
    for (var output : response.getOutputsList()) {
      if (!output.getName().equals(w.get("output"))) {
        continue;
      }
      var raw = Tensors.raw(response, output.getName());
      said.put("bytes", raw.remaining());
      if (output.getDatatype().equals("BYTES")) {
        said.put("texts", Tensors.strings(response, output.getName()));
      } else if (output.getDatatype().equals("INT64")) {
        said.put("values", List.of(raw.getLong()));
      } else {
        float[] values = Tensors.floats(response, output.getName());
        said.put("values", Arrays.copyOf(values, Math.min(4, values.length)));
      }
    }
    return said;
  }

  /** Sends one request for each model of the list at once; the model's name is its id. */
  private Map<String, Object> stream(Client client) throws Exception {
    var order = new ArrayList<String>();
    var failed = new ArrayList<String>();
    var ended = new CompletableFuture<Map<String, Object>>();
    var stub = GRPCInferenceServiceGrpc.newStub(client.channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    var calls = stub.modelStreamInfer(new StreamObserver<ModelStreamInferResponse>() {
      @Override
      public void onNext(ModelStreamInferResponse answer) {
        var response = answer.getInferResponse();
        order.add(response.getId());
        if (!answer.getErrorMessage().isEmpty()) {
          failed.add(response.getParametersOrThrow("hasten_reason").getStringParam());
        }
      }

      @Override
      public void onError(Throwable error) {
        ended.complete(told(new Refusal((StatusRuntimeException) error)));
      }

      @Override
      public void onCompleted() {
        ended.complete(Map.of("status", "OK", "order", order, "failed", failed));
      }
    });
    for (String model : w.get("models").split(",")) {
      w.put("model", model);
      w.put("id", model);
      calls.onNext(request());
    }
    calls.onCompleted();
    return ended.get();
  }

  /** Looks at health until it was told two states. */
  private Map<String, Object> watch(Client client) {
    var saw = new ArrayList<String>();
    var asked = HealthCheckRequest.newBuilder().setService("readiness").build();
    var health = HealthGrpc.newBlockingStub(client.channel).withWaitForReady();
    var states = health.withDeadlineAfter(20, TimeUnit.SECONDS).watch(asked);
    while (saw.size() < 2) {
      saw.add(states.next().getStatus().name());
    }
    saw.sort(null);
    return Map.of("status", "OK", "saw", saw);
  }

  /** Gives a call up after a while. */
  private Map<String, Object> cancel(Client client) throws Exception {
    var timer = Executors.newSingleThreadScheduledExecutor();
    try (var context = Context.current().withCancellation()) {
      timer.schedule(() -> context.cancel(null), number("after_ms", 100), TimeUnit.MILLISECONDS);
      return context.call(() -> told(client.infer(request(), deadline())));
    } finally {
      timer.shutdown();
    }
  }
}
