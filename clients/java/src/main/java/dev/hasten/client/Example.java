// Classifies a sentence within five seconds.
package dev.hasten.client;

import dev.hasten.inference.ModelInferRequest;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

public final class Example {
  public static void main(String[] addresses) {
    try (Client client = new Client(List.of(addresses))) {
      var request = ModelInferRequest.newBuilder().setModelName("tickets");
      Tensors.add(request, "text", List.of(1L, 1L), "the parcel is late");
      var response = client.infer(request.build(), Duration.ofSeconds(5));
      System.out.println(Arrays.toString(Tensors.floats(response, "probabilities")));
    } catch (Refusal refusal) {
      System.err.println("not answered: " + refusal.code + " " + refusal.reason + "; come back in " + refusal.retryAfter);
      System.exit(1);
    }
  }
}
