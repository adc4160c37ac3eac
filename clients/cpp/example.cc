// Classifies a sentence within five seconds.
#include <iostream>

#include "hasten.h"

int main(int count, char** words) {
  hasten::Client client({words + 1, words + count});
  inference::ModelInferRequest request;
  request.set_model_name("tickets");
  hasten::AddBytes(&request, "text", {1, 1}, {"the parcel is late"});
  inference::ModelInferResponse response;
  if (auto refusal = client.Infer(request, std::chrono::seconds(5), &response)) {
    std::cerr << "not answered: " << refusal->code << " " << refusal->reason;
    if (refusal->retry_after) std::cerr << "; come back in " << refusal->retry_after->count() / 1e9 << " s";
    std::cerr << std::endl;
    return 1;
  }
  for (float chance : hasten::Tensor<float>(response, "probabilities")) std::cout << chance << " ";
  std::cout << std::endl;
}
