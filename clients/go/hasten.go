// Package hasten calls Hasten: machine-learning inference that keeps deadlines.
package hasten

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // Watches health as the service config asks.
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	pb "hasten.dev/clients/go/inference"
)

//go:embed service_config.json
var serviceConfig string

// Refusal is why a call was not answered.
type Refusal struct {
	Code       codes.Code        // The gRPC status.
	Reason     string            // One of docs/errors.md; empty when only gRPC said something.
	Message    string            // One sentence.
	RetryAfter time.Duration     // To wait before this server is asked again; -1 without a hint.
	Metadata   map[string]string // The facts of the case.
	Begun      bool              // The model began to run the request, or nobody knows.
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s %s: %s", r.Code, r.Reason, r.Message) }

// AsRefusal reads what a call's error says; nil for an error that is none of gRPC's.
func AsRefusal(err error) *Refusal {
	said, ok := status.FromError(err)
	if !ok || said.Code() == codes.OK {
		return nil
	}
	refusal := &Refusal{Code: said.Code(), Message: said.Message(), RetryAfter: -1, Begun: true}
	for _, detail := range said.Details() {
		switch found := detail.(type) {
		case *errdetails.ErrorInfo:
			refusal.Reason, refusal.Metadata = found.Reason, found.Metadata
			refusal.Begun = found.Metadata["started"] == "true"
		case *errdetails.RetryInfo:
			refusal.RetryAfter = found.RetryDelay.AsDuration()
		}
	}
	return refusal
}

// Client calls the inference service.
type Client struct {
	Stub pb.GRPCInferenceServiceClient // The calls that this package does not wrap.
	Conn *grpc.ClientConn              // The channel to all routers.
}

// Dial makes a client of one or several routers, each "host:port". Calls go to those that are
// ready, and once more elsewhere when a router cannot serve. Without options there is no TLS.
func Dial(addresses []string, options ...grpc.DialOption) (*Client, error) {
	routers := manual.NewBuilderWithScheme("hasten")
	state := resolver.State{}
	for _, address := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	routers.InitialState(state)
	chosen := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithResolvers(routers),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
	}
	conn, err := grpc.NewClient("hasten:///routers", append(chosen, options...)...)
	return &Client{pb.NewGRPCInferenceServiceClient(conn), conn}, err
}

// Infer asks for an answer within the deadline. The error is a *Refusal.
func (c *Client) Infer(
	ctx context.Context, request *pb.ModelInferRequest, deadline time.Duration, options ...grpc.CallOption,
) (*pb.ModelInferResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	response, err := c.Stub.ModelInfer(ctx, request, options...)
	if err != nil {
		return nil, AsRefusal(err)
	}
	return response, nil
}

// AddTensor adds an input of fixed-size values (float32, int64, ...) to the request.
func AddTensor(r *pb.ModelInferRequest, name, datatype string, shape []int64, values any) error {
	raw, err := binary.Append(nil, binary.LittleEndian, values)
	AddRaw(r, name, datatype, shape, raw)
	return err
}

// AddBytes adds an input of strings to the request.
func AddBytes(r *pb.ModelInferRequest, name string, shape []int64, values ...string) {
	var raw []byte
	for _, value := range values {
		raw = append(binary.LittleEndian.AppendUint32(raw, uint32(len(value))), value...)
	}
	AddRaw(r, name, "BYTES", shape, raw)
}

// AddRaw adds an input as it travels: row-major, little-endian.
func AddRaw(r *pb.ModelInferRequest, name, datatype string, shape []int64, raw []byte) {
	input := &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: datatype, Shape: shape}
	r.Inputs = append(r.Inputs, input)
	r.RawInputContents = append(r.RawInputContents, raw)
}

// Tensor reads an output of fixed-size values; T is the Go type of its datatype.
func Tensor[T any](r *pb.ModelInferResponse, name string) ([]T, error) {
	raw, err := rawOutput(r, name)
	if err != nil {
		return nil, err
	}
	values := make([]T, len(raw)/binary.Size(*new(T)))
	_, err = binary.Decode(raw, binary.LittleEndian, values)
	return values, err
}

// Strings reads an output of BYTES.
func Strings(r *pb.ModelInferResponse, name string) ([]string, error) {
	raw, err := rawOutput(r, name)
	var values []string
	for len(raw) >= 4 {
		end := 4 + min(int(binary.LittleEndian.Uint32(raw)), len(raw)-4)
		values, raw = append(values, string(raw[4:end])), raw[end:]
	}
	return values, err
}

func rawOutput(r *pb.ModelInferResponse, name string) ([]byte, error) {
	for at, output := range r.Outputs {
		if output.Name == name && at < len(r.RawOutputContents) {
			return r.RawOutputContents[at], nil
		}
	}
	return nil, fmt.Errorf("the answer has no output %s", name)
}
