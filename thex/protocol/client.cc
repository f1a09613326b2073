#include "thex/protocol/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "thex/bert/reference.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/serialization.h"
#include "thex/protocol/parallel.h"
#include "thex/protocol/plan_sizes.h"

namespace thex::protocol {
namespace {

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

bert::Encoding ClientModel::encode(std::string_view text) const {
  bert::Encoding encoding = tokenizer.encode(text, std::nullopt, std::numeric_limits<int>::max(), true);
  plan.bucket_for(static_cast<int>(encoding.ids.size()));
  return encoding;
}

ClientModel load_client_model(const std::filesystem::path& folder, int max_tokens) {
  bert::Model model = bert::load_model(folder, bert::Part::client);
  bert::InferencePlan plan = bert::plan_inference(model.config, max_tokens);
  bert::Tokenizer tokenizer = bert::Tokenizer::load(folder / "vocab.txt", model.config.do_lower_case);
  return {std::move(model), std::move(tokenizer), std::move(plan)};
}

std::pair<std::size_t, double> top_label(std::span<const double> logits) {
  const auto top = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double x : logits) sum += std::exp(x - *top);
  return {static_cast<std::size_t>(top - logits.begin()), 1 / sum};
}

Session::Session(std::unique_ptr<Connection> connection, const ClientModel& model, const ClientKeys& keys,
                 const SessionOptions& options)
    : connection_(std::move(connection)), model_(model), keys_(keys), options_(options) {
  handshake();
}

Session::~Session() { connection_->close(); }

Frame Session::receive(std::span<const Expected> expected) {
  std::vector<Expected> all(expected.begin(), expected.end());
  all.push_back({FrameType::error, kMaxErrorBytes});
  Frame frame = connection_->receive(all, in(options_.timeout));
  if (frame.type == FrameType::error) throw_peer_error(frame.payload, connection_->peer());
  return frame;
}

void Session::handshake() {
  const auto start = Clock::now();
  connection_->send(FrameType::hello, encode(Hello{fingerprint(model_.plan), keys_.fingerprint}), in(options_.timeout));
  const Expected info[] = {{FrameType::server_info, kMaxInfoBytes}};
  ServerInfo server = parse_server_info(receive(info).payload);
  if (!server.has_keys) {
    const std::string bytes = read_evaluation_keys(model_.plan, keys_);
    const ByteView view = std::as_bytes(std::span(bytes.data(), bytes.size()));
    for (std::size_t at = 0; at < view.size(); at += kMaxChunkBytes) {
      const ByteView chunk = view.subspan(at, std::min<std::size_t>(kMaxChunkBytes, view.size() - at));
      connection_->send(FrameType::keys_chunk, chunk, in(options_.timeout));
    }
    const Expected ready[] = {{FrameType::keys_ready, 0}};
    receive(ready);
    setup_.keys_uploaded = true;
  }
  setup_.seconds = seconds_since(start);
  setup_.bytes_sent = connection_->bytes_sent();
  setup_.server_json = std::move(server.json);
}

Bytes Session::encrypt_step(std::size_t bucket, std::size_t step, std::span<const std::vector<double>> inputs,
                            int tokens) const {
  const circuit::Plan& plan = model_.plan.plan;
  const circuit::Program& program = plan.programs[bucket];
  const auto vectors = circuit::apply_client_step(program, step, inputs, tokens);
  const auto& outputs = program.steps[step].outputs;
  std::vector<Bytes> ciphertexts(outputs.size());
  const ckks::Encoder encoder(plan.context);
  parallel_for(outputs.size(), options_.threads, [&](std::size_t i) {
    const int level = plan.program_plans[bucket].level[static_cast<std::size_t>(outputs[i])];
    const auto plaintext = encoder.encode_full(vectors[i], level, plan.context->scale(level));
    ring::Prng prng;
    ciphertexts[i] = ckks::serialize(*plan.context, ckks::secret::encrypt(keys_.secret, plaintext, prng));
  });
  const auto index = static_cast<std::uint32_t>(step == 0 ? bucket : step);
  return encode(CiphertextsHead{index, static_cast<std::uint32_t>(ciphertexts.size()), 0}, ciphertexts);
}

std::vector<std::vector<double>> Session::decrypt(ByteView payload, std::span<const std::size_t> sizes) const {
  const ckks::ContextPtr& context = model_.plan.plan.context;
  const std::vector<ByteView> views = split_ciphertexts(payload, sizes);
  std::vector<std::vector<double>> values(views.size());
  const ckks::Encoder encoder(context);
  parallel_for(views.size(), options_.threads, [&](std::size_t i) {
    const ckks::Ciphertext ciphertext = ckks::parse_ciphertext(*context, views[i]);
    // Levels differ little in scale; anything else is not a result of this plan.
    const double ratio = ciphertext.scale / context->scale(0);
    if (ciphertext.level != 0 || !(ratio > 0.5 && ratio < 2)) {
      throw Error(ErrorCode::protocol,
                  fmt::format("{} sent a ciphertext at level {} and scale 2^{:.2f}, expected level 0 "
                              "and scale 2^{:.2f}",
                              connection_->peer(), ciphertext.level, std::log2(ciphertext.scale),
                              std::log2(context->scale(0))));
    }
    values[i] = encoder.decode_real(ckks::secret::decrypt(keys_.secret, ciphertext));
  });
  return values;
}

Classification Session::classify(std::string_view text) {
  const auto start = Clock::now();
  const bert::Encoding encoding = model_.encode(text);
  const double spent = seconds_since(start);
  Classification result = classify(encoding);
  result.seconds.embed += spent;
  result.seconds.total += spent;
  return result;
}

Classification Session::classify(const bert::Encoding& encoding) {
  const auto start = Clock::now();
  const std::uint64_t sent = connection_->bytes_sent(), received = connection_->bytes_received();
  Classification result;
  PhaseTimes& time = result.seconds;
  result.tokens = static_cast<int>(encoding.ids.size());
  const std::size_t bucket = model_.plan.bucket_for(result.tokens);
  result.bucket = model_.plan.buckets[bucket];
  const circuit::Program& program = model_.plan.plan.programs[bucket];

  std::vector<std::vector<double>> values(1);
  values[0] = bert::embed(model_.model, encoding.ids, encoding.type_ids);
  values[0].resize(static_cast<std::size_t>(result.bucket) * static_cast<std::size_t>(model_.model.config.hidden), 0.0);
  time.embed = seconds_since(start);

  double waited = 0;
  for (std::size_t step = 0; step <= program.steps.size(); ++step) {
    const bool last = step == program.steps.size();
    if (step > 0) {
      const auto sizes = last ? result_sizes(model_.plan) : step_sizes(model_.plan, bucket, step);
      const Expected expected[] = {{last ? FrameType::result : FrameType::step, message_bytes(sizes)}};
      const auto waiting = Clock::now();
      const Frame frame = receive(expected);
      waited += seconds_since(waiting);
      const auto decrypting = Clock::now();
      const CiphertextsHead head = parse_head(frame.payload);
      if (head.index != step) {
        throw Error(ErrorCode::protocol,
                    fmt::format("{} sent step {}, expected {}", connection_->peer(), head.index, step));
      }
      time.server += head.seconds;
      values = decrypt(frame.payload, sizes);
      time.decrypt += seconds_since(decrypting);
    }
    if (last) break;
    const auto encrypting = Clock::now();
    const Bytes message = encrypt_step(bucket, step, values, result.tokens);
    time.encrypt += seconds_since(encrypting);
    const auto sending = Clock::now();
    connection_->send(step == 0 ? FrameType::query : FrameType::step_reply, message, in(options_.timeout));
    waited += seconds_since(sending);
  }

  for (const std::int32_t slot : program.result_slots) {
    result.logits.push_back(values[0].at(static_cast<std::size_t>(slot)));
  }
  for (const double x : result.logits) {
    if (!std::isfinite(x))
      throw Error(ErrorCode::protocol, connection_->peer() + " sent a result that is not a number");
  }
  std::tie(result.label, result.score) = top_label(result.logits);
  time.network = std::max(0.0, waited - time.server);
  time.total = seconds_since(start);
  result.bytes_sent = connection_->bytes_sent() - sent;
  result.bytes_received = connection_->bytes_received() - received;
  return result;
}

}  // namespace thex::protocol
