// Example 4: a query as a machine of values.
//
// The client's side of a query (client::ClientQuery) takes messages and returns messages; the server's side
// (server::QueryRun) does the same. Neither knows of sockets, files or clocks, so whatever carries messages can carry
// these: HTTP, a queue, a browser. Here a loop hands them over. The model is one of the-x, whose queries take several
// rounds.
//
//   4_client_without_io [MODEL_FOLDER]
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "thex/ckks/serialization.h"
#include "thex/client/keys.h"
#include "thex/client/query.h"
#include "thex/model/reference.h"
#include "thex/server/query_run.h"

int main(int argc, char** argv) {
  using namespace thex;
  const std::filesystem::path folder = argc > 1 ? argv[1] : "models/bert-tiny-sst2-the-x";
  constexpr int kMaxTokens = 16, kThreads = 2;

  // The client has tokenizer and embeddings, and its keys in memory (client/key_files.h keeps them on disk).
  const client::ClientModel model = client::load_client_model(folder, kMaxTokens);
  const client::ClientKeys keys = client::make_keys(model.plan);

  // The server has the weights, and gets the evaluation keys once, serialized. What it reads is checked against the
  // plan, which both sides compute from the model's configuration.
  server::Circuits circuits(std::make_shared<const model::Model>(model::load_model(folder, model::Part::server)),
                            kMaxTokens, server::Budget(std::size_t{2} << 30, std::size_t{1} << 30), nullptr);
  const std::string bytes = keys.evaluation_keys();
  const circuit::Plan& plan = circuits.plan().circuits;
  const auto evaluation_keys = std::make_shared<const ckks::EvaluationKeys>(
      ckks::parse_evaluation_keys(*plan.context, std::as_bytes(std::span(bytes)), plan.keys));

  // The client asks.
  const text::Encoding sentence = model.encode("a gripping, beautiful film");
  client::ClientQuery query(model, keys, std::span(&sentence, 1), kThreads);
  std::printf("query: %zu bytes for %zu tokens\n", query.first().payload.size(), sentence.ids.size());

  // The server takes the query and works until only the client can move it on. While the client thinks, the run holds
  // values and no thread.
  const std::size_t program = server::program_of(circuits.plan(), query.first().payload);
  server::QueryRun run(circuits, program, keys.fingerprint, evaluation_keys);
  run.supply(0, query.first().payload, kThreads);
  std::vector<std::pair<std::size_t, protocol::Message>> steps;
  const auto collect = [&](std::size_t step, protocol::Message message) {
    steps.emplace_back(step, std::move(message));
  };
  std::optional<protocol::Message> result;
  int turns = 0;
  while (!(result = run.advance(kThreads, collect, {}))) {
    for (auto& [step, message] : std::exchange(steps, {})) {
      // The client decrypts, applies the activation, encrypts anew.
      const std::optional<protocol::Message> reply = query.take(message);
      std::printf("turn %d: %zu bytes came, %zu bytes go back\n", ++turns, message.payload.size(),
                  reply->payload.size());
      run.supply(step, reply->payload, kThreads);
    }
  }
  query.take(*result);
  const client::Answer answer = query.answers().front();

  // The same sentence through the clear model.
  const model::Model full = model::load_model(folder);
  const std::vector<double> clear = model::forward(full, sentence.ids, sentence.type_ids).logits;
  double worst = 0;
  for (std::size_t i = 0; i < clear.size(); ++i) worst = std::max(worst, std::abs(answer.logits[i] - clear[i]));
  std::printf("%s %.4f after %d turns; logits off the clear model's by %.5f\n",
              model.model.config.labels[answer.label].c_str(), answer.score, turns, worst);
  return worst < 1e-2 && turns == static_cast<int>(plan.programs[program].steps.size()) - 1 ? 0 : 1;
}
