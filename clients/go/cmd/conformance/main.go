// Makes the call that the words of a row describe, and prints how it went as one JSON line: one row
// in the arguments, or many on standard input. clients/README.md says what the words mean.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	hasten "hasten.dev/clients/go"
	commonv1 "hasten.dev/clients/go/hasten/common/v1"
	pb "hasten.dev/clients/go/inference"
)

type words map[string]string

func (w words) number(name string, otherwise int64) int64 {
	if value, err := strconv.ParseInt(w[name], 10, 64); err == nil {
		return value
	}
	return otherwise
}

func (w words) deadline() time.Duration {
	return time.Duration(w.number("deadline_us", 20_000_000)) * time.Microsecond
}

func main() {
	if len(os.Args) > 1 {
		run(os.Args[1:])
		return
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		run(strings.Fields(lines.Text()))
	}
}

func run(row []string) {
	w := words{}
	for _, word := range row[1:] {
		key, value, _ := strings.Cut(word, "=")
		w[key] = value
	}
	client, err := hasten.Dial(strings.Split(w["to"], ","))
	if err != nil {
		panic(err)
	}
	defer client.Conn.Close()
	verbs := map[string]func(words, *hasten.Client) map[string]any{
		"infer": infer, "stream": stream, "watch": watch, "cancel": cancel,
	}
	line, _ := json.Marshal(verbs[row[0]](w, client))
	fmt.Println(string(line))
}

func request(w words) *pb.ModelInferRequest {
	r := &pb.ModelInferRequest{ModelName: w["model"], Id: w["id"], Parameters: map[string]*pb.InferParameter{}}
	shape := []int64{}
	for _, dim := range strings.Split(w["shape"], ",") {
		size, _ := strconv.ParseInt(dim, 10, 64)
		shape = append(shape, size)
	}
	values := make([]float32, w.number("zeros", 0))
	for _, text := range strings.FieldsFunc(w["values"], func(c rune) bool { return c == ',' }) {
		value, _ := strconv.ParseFloat(text, 32)
		values = append(values, float32(value))
	}
	switch {
	case w["text"] != "":
		hasten.AddBytes(r, w["input"], shape, w["text"])
	case w["typed"] != "":
		hasten.AddRaw(r, w["input"], "FP32", shape, nil)
		r.RawInputContents = nil
		r.Inputs[0].Contents = &pb.InferTensorContents{Fp32Contents: values}
	default:
		_ = hasten.AddTensor(r, w["input"], "FP32", shape, values)
	}
	if w["classes"] != "" {
		top := &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: w.number("classes", 1)}}
		r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{
			{Name: w["output"], Parameters: map[string]*pb.InferParameter{"classification": top}}}
	}
	if w["priority"] != "" {
		r.Parameters["priority"] = &pb.InferParameter{
			ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: uint64(w.number("priority", 0))}}
	}
	if w["tenant"] != "" {
		r.Parameters["tenant"] = &pb.InferParameter{
			ParameterChoice: &pb.InferParameter_StringParam{StringParam: w["tenant"]}}
	}
	return r
}

func infer(w words, client *hasten.Client) map[string]any {
	ctx := context.Background()
	var trailer metadata.MD
	options := []grpc.CallOption{grpc.Trailer(&trailer)}
	if w["gzip"] != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "hasten-compress", "gzip")
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	if w["timing"] != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "hasten-timing", "1")
	}
	answered, worst := 0, time.Duration(0)
	said := map[string]any{"status": "OK"}
	for said["status"] == "OK" && answered < int(w.number("repeat", 1)) {
		began := time.Now()
		response, err := client.Infer(ctx, request(w), w.deadline(), options...)
		took := time.Since(began)
		said, worst = told(w, response, err), max(worst, took)
		said["took_ms"] = float64(took.Microseconds()) / 1000
		if err == nil {
			answered++
		}
	}
	for _, raw := range trailer.Get("hasten-timing-bin") {
		timing := &commonv1.Timing{}
		if proto.Unmarshal([]byte(raw), timing) == nil {
			said["compute_us"], said["worker"] = timing.ComputeUs, timing.WorkerId
		}
	}
	said["answered"], said["late_ms"] = answered, float64((worst-w.deadline()).Microseconds())/1000
	return said
}

func told(w words, response *pb.ModelInferResponse, err error) map[string]any {
	var refusal *hasten.Refusal
	if errors.As(err, &refusal) {
		said := map[string]any{"status": codeName(refusal.Code), "reason": refusal.Reason,
			"facts": refusal.Metadata, "begun": refusal.Begun}
		if refusal.RetryAfter >= 0 {
			said["retry_after_s"] = refusal.RetryAfter.Seconds()
		}
		return said
	}
	said := map[string]any{"status": "OK", "id": response.Id}
	for at, output := range response.Outputs {
		switch {
		case output.Name != w["output"]:
		case output.Datatype == "BYTES":
			said["texts"], _ = hasten.Strings(response, output.Name)
		case output.Datatype == "INT64":
			said["values"], _ = hasten.Tensor[int64](response, output.Name)
		default:
			values, _ := hasten.Tensor[float32](response, output.Name)
			said["values"] = values[:min(4, len(values))]
		}
		if output.Name == w["output"] {
			said["bytes"] = len(response.RawOutputContents[at])
		}
	}
	return said
}

// stream sends one request for each model of the list at once; the model's name is its id.
func stream(w words, client *hasten.Client) map[string]any {
	ctx, leave := context.WithTimeout(context.Background(), w.deadline())
	defer leave()
	calls, err := client.Stub.ModelStreamInfer(ctx)
	if err != nil {
		return told(w, nil, hasten.AsRefusal(err))
	}
	models := strings.Split(w["models"], ",")
	for _, model := range models {
		w["model"], w["id"] = model, model
		_ = calls.Send(request(w))
	}
	_ = calls.CloseSend()
	order, failed := []string{}, []string{}
	for range models {
		answer, err := calls.Recv()
		if err != nil {
			return told(w, nil, hasten.AsRefusal(err))
		}
		order = append(order, answer.InferResponse.GetId())
		if answer.ErrorMessage != "" {
			failed = append(failed, answer.InferResponse.Parameters["hasten_reason"].GetStringParam())
		}
	}
	return map[string]any{"status": "OK", "order": order, "failed": failed}
}

// watch looks at health until it was told two states.
func watch(w words, client *hasten.Client) map[string]any {
	ctx, leave := context.WithTimeout(context.Background(), w.deadline())
	defer leave()
	states, _ := health.NewHealthClient(client.Conn).Watch(ctx, &health.HealthCheckRequest{Service: "readiness"}, grpc.WaitForReady(true))
	saw := []string{}
	for len(saw) < 2 {
		state, err := states.Recv()
		if err != nil {
			return told(w, nil, hasten.AsRefusal(err))
		}
		saw = append(saw, state.Status.String())
	}
	slices.Sort(saw)
	return map[string]any{"status": "OK", "saw": saw}
}

// cancel gives a call up after a while.
func cancel(w words, client *hasten.Client) map[string]any {
	ctx, leave := context.WithCancel(context.Background())
	time.AfterFunc(time.Duration(w.number("after_ms", 100))*time.Millisecond, leave)
	response, err := client.Infer(ctx, request(w), w.deadline())
	return told(w, response, err)
}

// codeName is the canonical name, which Go spells in another way.
func codeName(code codes.Code) string {
	names := map[codes.Code]string{
		codes.Canceled: "CANCELLED", codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND",
		codes.InvalidArgument: "INVALID_ARGUMENT", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
		codes.Unavailable: "UNAVAILABLE", codes.Unimplemented: "UNIMPLEMENTED",
	}
	if name, known := names[code]; known {
		return name
	}
	return code.String()
}
