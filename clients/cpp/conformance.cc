// Makes the call that the words of a row describe, and prints how it went as one JSON line: one row in
// the arguments, or many on standard input. clients/README.md says what the words mean.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "hasten.h"
#include "hasten/common/v1/timing.pb.h"

using Clock = std::chrono::steady_clock;
using google::protobuf::Struct;

namespace {

double Ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::vector<std::string> Split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) parts.push_back(part);
  return parts;
}

class Said {
 public:
  google::protobuf::Value& operator[](const std::string& key) { return (*all_.mutable_fields())[key]; }
  void Text(const std::string& key, const std::string& value) { (*this)[key].set_string_value(value); }
  void Number(const std::string& key, double value) { (*this)[key].set_number_value(value); }
  void AddText(const std::string& key, const std::string& value) {
    (*this)[key].mutable_list_value()->add_values()->set_string_value(value);
  }
  bool Ok() { return (*this)["status"].string_value() == "OK"; }
  std::string Json() const {
    std::string line;
    (void)google::protobuf::util::MessageToJsonString(all_, &line);
    return line;
  }

 private:
  Struct all_;
};

struct Row {
  std::string verb;
  std::map<std::string, std::string> words;

  explicit Row(const std::vector<std::string>& row) : verb(row.at(0)) {
    for (size_t at = 1; at < row.size(); at++) {
      const size_t equals = row[at].find('=');
      words[row[at].substr(0, equals)] = row[at].substr(equals + 1);
    }
  }
  bool Has(const std::string& name) const { return words.count(name) != 0; }
  std::string Text(const std::string& name) const { return Has(name) ? words.at(name) : ""; }
  int64_t Number(const std::string& name, int64_t otherwise) const {
    return Has(name) ? std::stoll(words.at(name)) : otherwise;
  }
  std::chrono::microseconds Deadline() const {
    return std::chrono::microseconds(Number("deadline_us", 20'000'000));
  }

  inference::ModelInferRequest Request() const {
    inference::ModelInferRequest request;
    request.set_model_name(Text("model"));
    request.set_id(Text("id"));
    std::vector<int64_t> shape;
    for (const auto& size : Split(Text("shape"), ',')) shape.push_back(std::stoll(size));
    std::vector<float> values(Number("zeros", 0));
    for (const auto& value : Split(Text("values"), ',')) values.push_back(std::stof(value));
    if (Has("text")) {
      hasten::AddBytes(&request, Text("input"), shape, {Text("text")});
    } else if (Has("typed")) {
      hasten::AddRaw(&request, Text("input"), "FP32", shape, "");
      request.clear_raw_input_contents();
      auto* contents = request.mutable_inputs(0)->mutable_contents();
      for (float value : values) contents->add_fp32_contents(value);
    } else {
      hasten::AddTensor(&request, Text("input"), "FP32", shape, values);
    }
    if (Has("classes")) {
      auto* output = request.add_outputs();
      output->set_name(Text("output"));
      (*output->mutable_parameters())["classification"].set_int64_param(Number("classes", 1));
    }
    auto& parameters = *request.mutable_parameters();
    if (Has("priority")) parameters["priority"].set_uint64_param(Number("priority", 0));
    if (Has("tenant")) parameters["tenant"].set_string_param(Text("tenant"));
    return request;
  }
};

Said Refused(const hasten::Refusal& refusal) {
  static const char* const names[] = {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED",
                                      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
                                      "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
                                      "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};
  Said said;
  said.Text("status", names[refusal.code]);
  said.Text("reason", refusal.reason);
  said["begun"].set_bool_value(refusal.begun);
  auto& facts = *said["facts"].mutable_struct_value()->mutable_fields();
  for (const auto& [name, value] : refusal.facts) facts[name].set_string_value(value);
  if (refusal.retry_after) said.Number("retry_after_s", refusal.retry_after->count() / 1e9);
  return said;
}

Said Answered(const Row& row, const inference::ModelInferResponse& response) {
  Said said;
  said.Text("status", "OK");
  said.Text("id", response.id());
  for (const auto& output : response.outputs()) {
    if (output.name() != row.Text("output")) continue;
    said.Number("bytes", static_cast<double>(hasten::Raw(response, output.name()).size()));
    std::vector<double> values;
    if (output.datatype() == "BYTES") {
      for (const auto& text : hasten::Strings(response, output.name())) said.AddText("texts", text);
    } else if (output.datatype() == "INT64") {
      for (int64_t value : hasten::Tensor<int64_t>(response, output.name())) values.push_back(static_cast<double>(value));
    } else {
      for (float value : hasten::Tensor<float>(response, output.name())) values.push_back(value);
    }
    values.resize(std::min<size_t>(4, values.size()));
    for (double value : values) said["values"].mutable_list_value()->add_values()->set_number_value(value);
  }
  return said;
}

Said Infer(const Row& row, hasten::Client& client) {
  Said said;
  said.Text("status", "OK");
  double worst_ms = 0;
  int answered = 0;
  while (said.Ok() && answered < row.Number("repeat", 1)) {
    grpc::ClientContext context;
    if (row.Has("gzip")) {
      context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
      context.AddMetadata("hasten-compress", "gzip");
    }
    if (row.Has("timing")) context.AddMetadata("hasten-timing", "1");
    inference::ModelInferResponse response;
    const auto request = row.Request();
    const auto began = Clock::now();
    const auto refusal = client.Infer(request, row.Deadline(), &response, &context);
    const double took_ms = Ms(Clock::now() - began);
    said = refusal ? Refused(*refusal) : Answered(row, response);
    answered += refusal ? 0 : 1;
    worst_ms = std::max(worst_ms, took_ms);
    said.Number("took_ms", took_ms);
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto found = trailers.find("hasten-timing-bin");
    hasten::common::v1::Timing timing;
    if (found != trailers.end() && timing.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()))) {
      said.Number("compute_us", timing.compute_us());
      said.Text("worker", timing.worker_id());
    }
  }
  said.Number("answered", answered);
  said.Number("late_ms", worst_ms - Ms(row.Deadline()));
  return said;
}

// Sends one request for each model of the list at once; the model's name is its id.
Said Stream(Row row, hasten::Client& client) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + row.Deadline());
  auto calls = client.stub->ModelStreamInfer(&context);
  for (const auto& model : Split(row.Text("models"), ',')) {
    row.words["model"] = row.words["id"] = model;
    calls->Write(row.Request());
  }
  calls->WritesDone();
  Said said;
  said.Text("status", "OK");
  for (inference::ModelStreamInferResponse answer; calls->Read(&answer);) {
    said.AddText("order", answer.infer_response().id());
    if (!answer.error_message().empty()) {
      said.AddText("failed", answer.infer_response().parameters().at("hasten_reason").string_param());
    }
  }
  const grpc::Status status = calls->Finish();
  return status.ok() ? said : Refused(hasten::Refusal(status));
}

// Looks at health until it was told two states.
Said Watch(const Row& row) {
  // Of its own: the client's channel leaves a router alone while it is not ready.
  auto channel = grpc::CreateChannel(row.Text("to"), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + row.Deadline());
  grpc::health::v1::HealthCheckRequest asked;
  asked.set_service("readiness");
  auto states = grpc::health::v1::Health::NewStub(channel)->Watch(&context, asked);
  std::vector<std::string> saw;
  grpc::health::v1::HealthCheckResponse state;
  while (saw.size() < 2 && states->Read(&state)) {
    saw.push_back(grpc::health::v1::HealthCheckResponse::ServingStatus_Name(state.status()));
  }
  context.TryCancel();
  (void)states->Finish();
  std::sort(saw.begin(), saw.end());
  Said said;
  said.Text("status", "OK");
  for (const auto& name : saw) said.AddText("saw", name);
  return said;
}

// Gives a call up after a while.
Said Cancel(const Row& row, hasten::Client& client) {
  grpc::ClientContext context;
  std::thread timer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(row.Number("after_ms", 100)));
    context.TryCancel();
  });
  inference::ModelInferResponse response;
  const auto refusal = client.Infer(row.Request(), row.Deadline(), &response, &context);
  timer.join();
  return refusal ? Refused(*refusal) : Answered(row, response);
}

void Run(const std::vector<std::string>& words) {
  const Row row(words);
  hasten::Client client(Split(row.Text("to"), ','));
  Said said = row.verb == "infer"    ? Infer(row, client)
              : row.verb == "stream" ? Stream(row, client)
              : row.verb == "watch"  ? Watch(row)
                                     : Cancel(row, client);
  std::cout << said.Json() << std::endl;
}

}  // namespace

int main(int count, char** words) {
  if (count > 1) {
    Run({words + 1, words + count});
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream stream(line);
    Run({std::istream_iterator<std::string>(stream), {}});
  }
}
