#include "hasten.h"

#include <cstring>
#include <stdexcept>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "service_config.h"

namespace hasten {

Refusal::Refusal(const grpc::Status& status) : code(status.error_code()), message(status.error_message()) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo hint;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) {
      reason = info.reason();
      facts = {info.metadata().begin(), info.metadata().end()};
      begun = facts.count("started") != 0;
    } else if (detail.UnpackTo(&hint)) {
      retry_after = std::chrono::seconds(hint.retry_delay().seconds()) +
                    std::chrono::nanoseconds(hint.retry_delay().nanos());
    }
  }
}

Client::Client(const std::vector<std::string>& addresses, grpc::ChannelArguments arguments,
               std::shared_ptr<grpc::ChannelCredentials> credentials) {
  std::string target = addresses.size() > 1 ? "ipv4:" : "";
  for (const auto& address : addresses) {
    target += (&address == &addresses.front() ? "" : ",") + address;
  }
  // gRPC would take the whole list for the server's name, which is none for stricter servers.
  if (addresses.size() > 1) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, addresses.front());
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  channel = grpc::CreateCustomChannel(target, credentials, arguments);
  stub = inference::GRPCInferenceService::NewStub(channel);
}

std::optional<Refusal> Client::Infer(const inference::ModelInferRequest& request,
                                     std::chrono::nanoseconds deadline,
                                     inference::ModelInferResponse* response, grpc::ClientContext* context) {
  grpc::ClientContext own;
  if (context == nullptr) context = &own;
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline));
  grpc::Status status = stub->ModelInfer(context, request, response);
  if (status.ok()) return std::nullopt;
  return Refusal(status);
}

void AddRaw(inference::ModelInferRequest* request, const std::string& name, const std::string& datatype,
            const std::vector<int64_t>& shape, std::string raw) {
  auto* input = request->add_inputs();
  input->set_name(name);
  input->set_datatype(datatype);
  for (int64_t size : shape) input->add_shape(size);
  request->add_raw_input_contents(std::move(raw));
}

void AddBytes(inference::ModelInferRequest* request, const std::string& name, const std::vector<int64_t>& shape,
              const std::vector<std::string>& values) {
  std::string raw;
  for (const auto& value : values) {
    const auto size = static_cast<uint32_t>(value.size());
    raw.append(reinterpret_cast<const char*>(&size), sizeof size).append(value);
  }
  AddRaw(request, name, "BYTES", shape, std::move(raw));
}

const std::string& Raw(const inference::ModelInferResponse& response, const std::string& name) {
  for (int at = 0; at < response.outputs_size() && at < response.raw_output_contents_size(); at++) {
    if (response.outputs(at).name() == name) return response.raw_output_contents(at);
  }
  throw std::out_of_range("the answer has no output " + name);
}

std::vector<std::string> Strings(const inference::ModelInferResponse& response, const std::string& name) {
  const std::string& raw = Raw(response, name);
  std::vector<std::string> values;
  for (size_t at = 0; at + 4 <= raw.size();) {
    uint32_t size;
    std::memcpy(&size, raw.data() + at, sizeof size);
    values.push_back(raw.substr(at + 4, size));
    at += 4 + size;
  }
  return values;
}

}  // namespace hasten
