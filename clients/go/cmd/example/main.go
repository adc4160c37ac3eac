// Classifies a sentence within five seconds: go run ./cmd/example localhost:8001
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	hasten "hasten.dev/clients/go"
	"hasten.dev/clients/go/inference"
)

func main() {
	client, err := hasten.Dial(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	request := &inference.ModelInferRequest{ModelName: "tickets"}
	hasten.AddBytes(request, "text", []int64{1, 1}, "the parcel is late")
	response, err := client.Infer(context.Background(), request, 5*time.Second)
	var refusal *hasten.Refusal
	if errors.As(err, &refusal) {
		log.Fatalf("not answered: %s %s; come back in %s", refusal.Code, refusal.Reason, refusal.RetryAfter)
	}
	chances, err := hasten.Tensor[float32](response, "probabilities")
	fmt.Println(chances, err)
}
