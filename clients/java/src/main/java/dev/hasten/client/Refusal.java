package dev.hasten.client;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Map;

/** Why a call was not answered. */
public final class Refusal extends RuntimeException {
  /** The gRPC status. */
  public final Status.Code code;
  /** One of docs/errors.md; empty when only gRPC said something. */
  public final String reason;
  /** To wait before this server is asked again; null without a hint. */
  public final Duration retryAfter;
  /** The facts of the case. */
  public final Map<String, String> facts;
  /** The model began to run the request, or nobody knows. */
  public final boolean begun;

  /** Reads the error of any call. */
  public Refusal(StatusRuntimeException error) {
    super(error.getStatus().getDescription(), error);
    ErrorInfo info = null;
    Duration hint = null;
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    try {
      for (var detail : status == null ? java.util.List.<com.google.protobuf.Any>of() : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          info = detail.unpack(ErrorInfo.class);
        } else if (detail.is(RetryInfo.class)) {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          hint = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
        }
      }
    } catch (InvalidProtocolBufferException unreadable) {
      info = null;
    }
    code = error.getStatus().getCode();
    reason = info == null ? "" : info.getReason();
    facts = info == null ? Map.of() : info.getMetadataMap();
    retryAfter = hint;
    begun = info == null || "true".equals(facts.get("started"));
  }
}
