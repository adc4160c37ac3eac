package dev.hasten.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.hasten.inference.ModelInferRequest;
import dev.hasten.inference.ModelInferResponse;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Tensors in and out of messages. */
public final class Tensors {
  private Tensors() {}

  /** Adds an input as it travels: row-major, little-endian. */
  public static void add(ModelInferRequest.Builder request, String name, String datatype, List<Long> shape, ByteString raw) {
    request.addInputsBuilder().setName(name).setDatatype(datatype).addAllShape(shape);
    request.addRawInputContents(raw);
  }

  /** Adds an input of FP32. */
  public static void add(ModelInferRequest.Builder request, String name, List<Long> shape, float[] values) {
    var bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    add(request, name, "FP32", shape, UnsafeByteOperations.unsafeWrap(bytes.array()));
  }

  /** Adds an input of BYTES. */
  public static void add(ModelInferRequest.Builder request, String name, List<Long> shape, String... values) {
    var raw = new ByteArrayOutputStream();
    for (String value : values) {
      byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
      var size = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(bytes.length);
      raw.writeBytes(size.array());
      raw.writeBytes(bytes);
    }
    add(request, name, "BYTES", shape, ByteString.copyFrom(raw.toByteArray()));
  }

  /** An output as it travels; read numbers by asFloatBuffer, asLongBuffer and so on. */
  public static ByteBuffer raw(ModelInferResponse response, String name) {
    for (int at = 0; at < response.getOutputsCount(); at++) {
      if (response.getOutputs(at).getName().equals(name)) {
        return response.getRawOutputContents(at).asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
      }
    }
    throw new IllegalArgumentException("the answer has no output " + name);
  }

  /** An output of FP32. */
  public static float[] floats(ModelInferResponse response, String name) {
    var raw = raw(response, name).asFloatBuffer();
    float[] values = new float[raw.remaining()];
    raw.get(values);
    return values;
  }

  /** An output of BYTES. */
  public static List<String> strings(ModelInferResponse response, String name) {
    var raw = raw(response, name);
    var values = new ArrayList<String>();
    while (raw.remaining() >= 4) {
      byte[] bytes = new byte[raw.getInt()];
      raw.get(bytes);
      values.add(new String(bytes, StandardCharsets.UTF_8));
    }
    return values;
  }
}
