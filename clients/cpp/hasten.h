// Calls Hasten: machine-learning inference that keeps deadlines.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/inference.grpc.pb.h"

namespace hasten {

// Why a call was not answered.
struct Refusal {
  grpc::StatusCode code;
  std::string reason;                              // One of docs/errors.md; empty when only gRPC spoke.
  std::string message;                             // One sentence.
  std::optional<std::chrono::nanoseconds> retry_after;  // Before this server is asked again.
  std::map<std::string, std::string> facts;        // Of the case.
  bool begun = true;                               // The model began to run it, or nobody knows.

  // Reads the error of any call.
  explicit Refusal(const grpc::Status& status);
};

// Calls the inference service; safe for many threads.
class Client {
 public:
  // Calls go to the routers that are ready, and once more elsewhere when one cannot serve. Each
  // address is "host:port"; several must be numbers.
  explicit Client(const std::vector<std::string>& addresses,
                  grpc::ChannelArguments arguments = {},
                  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials());

  // Asks for an answer within the deadline; nothing when it was answered. A context of your own
  // brings metadata and compression, has the trailers afterwards, and can be cancelled.
  std::optional<Refusal> Infer(const inference::ModelInferRequest& request, std::chrono::nanoseconds deadline,
                               inference::ModelInferResponse* response, grpc::ClientContext* context = nullptr);

  std::shared_ptr<grpc::Channel> channel;  // To all routers.
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub;  // The calls that this does not wrap.
};

// Adds an input as it travels: row-major, little-endian.
void AddRaw(inference::ModelInferRequest* request, const std::string& name, const std::string& datatype,
            const std::vector<int64_t>& shape, std::string raw);

// Adds an input of fixed-size values, on a little-endian machine.
template <typename T>
void AddTensor(inference::ModelInferRequest* request, const std::string& name, const std::string& datatype,
               const std::vector<int64_t>& shape, const std::vector<T>& values) {
  const char* begin = reinterpret_cast<const char*>(values.data());
  AddRaw(request, name, datatype, shape, std::string(begin, values.size() * sizeof(T)));
}

// Adds an input of BYTES.
void AddBytes(inference::ModelInferRequest* request, const std::string& name, const std::vector<int64_t>& shape,
              const std::vector<std::string>& values);

// An output as it travels; throws std::out_of_range for one that the answer has not.
const std::string& Raw(const inference::ModelInferResponse& response, const std::string& name);

// An output of fixed-size values, on a little-endian machine.
template <typename T>
std::vector<T> Tensor(const inference::ModelInferResponse& response, const std::string& name) {
  const std::string& raw = Raw(response, name);
  std::vector<T> values(raw.size() / sizeof(T));
  raw.copy(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T));
  return values;
}

// An output of BYTES.
std::vector<std::string> Strings(const inference::ModelInferResponse& response, const std::string& name);

}  // namespace hasten
