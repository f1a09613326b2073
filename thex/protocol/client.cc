#include "thex/protocol/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "thex/base/parallel.h"
#include "thex/circuit/secret/client_turn.h"
#include "thex/ckks/secret/wipe_later.h"
#include "thex/ckks/serialization.h"
#include "thex/model/reference.h"
#include "thex/model/tokenizer_files.h"
#include "thex/protocol/plan_sizes.h"

namespace thex::protocol {
namespace {

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

text::Encoding ClientModel::encode(std::string_view text, std::optional<std::string_view> pair) const {
  text::Encoding encoding = tokenizer.encode(text, pair, std::numeric_limits<int>::max(), true);
  plan.bucket_for(static_cast<int>(encoding.ids.size()));
  return encoding;
}

text::Encoding ClientModel::encode_words(std::span<const std::string> words) const {
  text::Encoding encoding = tokenizer.encode_words(words, std::numeric_limits<int>::max(), true);
  plan.bucket_for(static_cast<int>(encoding.ids.size()));
  return encoding;
}

ClientModel load_client_model(const std::filesystem::path& folder, int max_tokens) {
  model::Model model = model::load_model(folder, model::Part::client);
  encoder::InferencePlan plan = encoder::plan_inference(model.config, max_tokens);
  text::Tokenizer tokenizer = model::load_tokenizer(folder, model.config);
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

Bytes Session::pack(std::size_t index, std::span<const ckks::SeededCiphertext> ciphertexts) const {
  std::vector<Bytes> bytes(ciphertexts.size());
  parallel_for(bytes.size(), options_.threads,
               [&](std::size_t i) { bytes[i] = ckks::serialize(*model_.plan.plan.context, ciphertexts[i]); });
  return encode(CiphertextsHead{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(bytes.size()), 0}, bytes);
}

std::vector<ckks::Ciphertext> Session::unpack(ByteView payload, std::span<const std::size_t> sizes) const {
  const std::vector<ByteView> views = split_ciphertexts(payload, sizes);
  std::vector<ckks::Ciphertext> ciphertexts(views.size());
  parallel_for(views.size(), options_.threads,
               [&](std::size_t i) { ciphertexts[i] = ckks::parse_ciphertext(*model_.plan.plan.context, views[i]); });
  return ciphertexts;
}

Classification Session::classify(std::string_view text, std::optional<std::string_view> pair) {
  const auto start = Clock::now();
  const text::Encoding encoding = model_.encode(text, pair);
  const double spent = seconds_since(start);
  Classification result = classify(encoding);
  result.seconds.embed += spent;
  result.seconds.total += spent;
  return result;
}

Classification Session::classify(const text::Encoding& encoding) {
  return std::move(classify_batch(std::span(&encoding, 1)).front());
}

std::vector<Classification> Session::classify_batch(std::span<const text::Encoding> encodings) {
  if (encodings.empty()) return {};
  const auto start = Clock::now();
  std::size_t longest = 0;
  for (const text::Encoding& e : encodings) longest = std::max(longest, e.ids.size());
  const std::size_t program = model_.plan.batch_for(encodings.size(), static_cast<int>(longest));
  const encoder::QueryShape& shape = model_.plan.shapes[program];
  const model::ModelConfig& config = model_.model.config;
  const std::size_t stride = static_cast<std::size_t>(shape.tokens) * static_cast<std::size_t>(config.hidden);
  std::vector<double> embeddings(stride * static_cast<std::size_t>(shape.sentences), 0.0);
  const ckks::secret::WipeLater wipe_embeddings(embeddings);
  std::vector<int> lengths(static_cast<std::size_t>(shape.sentences), 0);
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    std::vector<double> rows = model::embed(model_.model, encodings[i].ids, encodings[i].type_ids);
    const ckks::secret::WipeLater wipe_rows(rows);
    std::copy(rows.begin(), rows.end(), embeddings.begin() + static_cast<std::ptrdiff_t>(i * stride));
    lengths[i] = static_cast<int>(encodings[i].ids.size());
  }
  const double embedding = seconds_since(start);
  Classification all = query(program, embeddings, lengths);
  all.seconds.embed = embedding;
  all.seconds.total += embedding;

  std::vector<Classification> results;
  auto at = all.logits.begin();
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    Classification result{.tokens = lengths[i],
                          .bucket = shape.tokens,
                          .seconds = all.seconds,
                          .bytes_sent = all.bytes_sent,
                          .bytes_received = all.bytes_received,
                          .sentences = static_cast<int>(encodings.size())};
    result.rows = config.labels.empty()                              ? 0
                  : config.task == model::Task::token_classification ? encodings[i].ids.size()
                                                                     : 1;
    const auto end = at + static_cast<std::ptrdiff_t>(result.rows * config.labels.size());
    result.logits.assign(at, end);
    at = end;
    if (config.task == model::Task::classification) std::tie(result.label, result.score) = top_label(result.logits);
    results.push_back(std::move(result));
  }
  return results;
}

Classification Session::query(std::size_t index, std::span<const double> embeddings, const std::vector<int>& lengths) {
  const auto start = Clock::now();
  const std::uint64_t sent_before = connection_->bytes_sent(), received_before = connection_->bytes_received();
  Classification result;
  PhaseTimes& time = result.seconds;
  const circuit::Program& program = model_.plan.plan.programs[index];
  const circuit::ClientTurn turn(model_.plan.plan, index, keys_.secret, lengths, options_.threads);
  auto mark = Clock::now();
  double waited = 0;
  const auto transmit = [&](FrameType type, const Bytes& message) {
    const auto sending = Clock::now();
    connection_->send(type, message, in(options_.timeout));
    waited += seconds_since(sending);
  };
  const auto wait_for = [&](FrameType type, std::size_t step) {
    const auto sizes = step_sizes(model_.plan, index, step);
    const Expected expected[] = {{type, message_bytes(sizes)}};
    const auto waiting = Clock::now();
    const Frame frame = receive(expected);
    waited += seconds_since(waiting);
    mark = Clock::now();
    const CiphertextsHead head = parse_head(frame.payload);
    if (head.index != step) {
      throw Error(ErrorCode::protocol,
                  fmt::format("{} sent step {}, expected {}", connection_->peer(), head.index, step));
    }
    time.server += head.seconds;
    return unpack(frame.payload, sizes);
  };

  const Bytes query = pack(index, turn.first(embeddings));
  time.encrypt = seconds_since(mark);
  transmit(FrameType::query, query);
  for (std::size_t step = 1; step < program.steps.size(); ++step) {
    const std::vector<ckks::Ciphertext> received = wait_for(FrameType::step, step);
    const Bytes reply = pack(step, turn.answer(step, received));
    time.relu += seconds_since(mark);
    transmit(FrameType::step_reply, reply);
  }
  const std::vector<ckks::Ciphertext> received = wait_for(FrameType::result, program.steps.size());
  result.logits = turn.result(received);
  time.decrypt = seconds_since(mark);
  time.network = std::max(0.0, waited - time.server);
  time.total = seconds_since(start);
  result.bytes_sent = connection_->bytes_sent() - sent_before;
  result.bytes_received = connection_->bytes_received() - received_before;
  return result;
}

}  // namespace thex::protocol
