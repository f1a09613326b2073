#include "thex/convert/plain_model.h"

#include <algorithm>
#include <cmath>

#include "thex/base/error.h"

namespace thex::convert {

using torch::Tensor;

namespace {

// Queries and keys near the identity: a token looks at tokens like itself first. Random ones find that out from a large
// corpus only, and without it texts of a pair are not compared.
void start_similarity(EncoderModule& student) {
  constexpr double kRandom = 0.3;      // share of the random start that stays
  const double size = std::sqrt(0.5);  // a token's score with itself: d/2 / sqrt(d) behind a LayerNorm
  const Tensor identity = at::eye(student.config.hidden) * size;
  for (int l = 0; l < student.config.layers; ++l)
    for (const char* const name : {"attention.self.query.weight", "attention.self.key.weight"}) {
      Tensor& w = student.params.at(layer_prefix(l) + name);
      w = (w.to(torch::kCPU) * kRandom + identity).to(student.device);
    }
}

}  // namespace

void start_head(EncoderModule& module, const DataSet& train) {
  if (module.config.task != model::Task::regression) return;
  const Objective objective = objective_of(module.config.task, train);
  at::NoGradGuard no_grad;
  module.params.at("classifier.bias") = at::full({1}, objective.value_mean).to(module.device);
}

EncoderModule with_fresh_head(const model::Model& encoder, const model::ModelConfig& config, std::uint64_t seed,
                              torch::Device device) {
  EncoderModule module(config, seed, device);  // random head; the rest is overwritten
  for (auto& [name, value] : from_tensor_map(encoder.tensors, device)) {
    if (name.rfind("classifier.", 0) == 0) continue;
    const auto it = module.params.find(name);
    if (it == module.params.end()) continue;
    if (it->second.sizes() != value.sizes())
      throw Error(ErrorCode::model, "tensor '" + name + "' has an unexpected shape");
    it->second = value;
  }
  return module;
}

EncoderModule fine_tune_backbone(const model::Model& backbone, const std::string& name, const TaskData& data,
                                 const FineTuneOptions& o, const CheckpointStore& store, torch::Device device,
                                 const Log& log) {
  if (auto saved = store.load_module(name, device)) {
    log(name + ": resumed from its checkpoint");
    return std::move(saved->module);
  }
  model::ModelConfig config = backbone.config;
  config.task = data.spec.kind;
  config.labels = data.spec.labels;
  config.pooler = !by_token(data.spec.kind) && (backbone.tensors.count("pooler.dense.weight") || o.fresh_pooler);
  EncoderModule module = with_fresh_head(backbone, config, o.seed, device);
  start_head(module, data.split.train);
  TrainOptions t;
  t.name = name;
  t.rate_option = "--" + name + "-rate";  // --plain-rate, --teacher-rate
  t.epochs = o.epochs > 0 ? o.epochs : std::min(10, epochs_for(data.split.train.size(), o.batch, o.min_steps, 1));
  t.patience = o.patience;
  t.batch_size = o.batch;
  t.learning_rate = o.rate;
  t.embedding_rate = o.rate;
  t.length_power = o.length_power;
  t.seed = o.seed;
  t.max_steps = o.max_steps;
  t.forward.dropout = o.dropout;
  t.store = &store;
  const Score score = train(
      module, data, t, label_loss(objective_of(data.spec.kind, data.split.train)),
      [](const std::string&) { return true; }, log);
  store.save_module(name, module, {{"held_out", std::to_string(score.metric)}});
  store.remove(training_state_name(name));
  return module;
}

Tensor teacher_logits(const EncoderModule& teacher, const Split& split, const CheckpointStore& store, const Log& log) {
  if (auto saved = store.load_table("teacher-logits")) return *saved;
  const Tensor logits = predict(teacher, split.train, log);
  store.save_table("teacher-logits", logits);
  return logits;
}

EncoderModule start_student(const model::ModelConfig& config, const model::Model& backbone, const DataSet& data,
                            std::uint64_t seed, torch::Device device) {
  EncoderModule student(config, seed, device);
  const Parameters big = from_tensor_map(backbone.tensors, torch::kCPU);
  const Tensor words = big.at("embeddings.word_embeddings.weight");
  if (words.size(0) != config.vocab)
    throw Error(ErrorCode::model, "the backbone has " + std::to_string(words.size(0)) +
                                      " words, the student's configuration " + std::to_string(config.vocab) +
                                      ": use the vocab.txt of the backbone");
  if (words.size(1) < config.hidden)
    throw Error(ErrorCode::model, "the backbone is " + std::to_string(words.size(1)) +
                                      " wide, narrower than the student (" + std::to_string(config.hidden) +
                                      "): lower --hidden");
  Tensor count = at::ones({words.size(0)});
  float* n = count.data_ptr<float>();
  for (const Sentence& s : data)
    for (std::int64_t id : s.ids) n[id] += 1;
  const Tensor weight = (count / count.sum()).sqrt();  // between by type and by token
  const Tensor share = (weight / weight.sum()).unsqueeze(1);
  const Tensor mean = (words * share).sum(0, true);
  const Tensor centred = words - mean;
  const Tensor covariance = at::matmul(centred.t(), centred * share);
  const Tensor vectors = std::get<1>(at::linalg_eigh(covariance.to(torch::kFloat64))).to(torch::kFloat32);  // ascending
  const Tensor top = vectors.slice(1, words.size(1) - config.hidden, words.size(1)).flip(1);
  Tensor small = at::matmul(centred, top);
  const double scale = 0.05 / small.std().item<double>();
  const Tensor positions = at::matmul(big.at("embeddings.position_embeddings.weight"), top);
  if (positions.size(0) < config.max_positions)
    throw Error(ErrorCode::model, "the backbone has only " + std::to_string(positions.size(0)) +
                                      " positions, the student's configuration " +
                                      std::to_string(config.max_positions));
  student.params["embeddings.word_embeddings.weight"] = (small * scale).contiguous().to(device);
  student.params["embeddings.position_embeddings.weight"] =
      ((positions - positions.mean(0, true)) * scale).slice(0, 0, config.max_positions).contiguous().to(device);
  start_similarity(student);
  if (config.type_vocab == 0) return student;
  // What tells the second text of a pair from the first one comes along too.
  Tensor types = at::zeros({config.type_vocab, config.hidden});
  if (const auto big_table = big.find("embeddings.token_type_embeddings.weight"); big_table != big.end()) {
    const Tensor big_types = at::matmul(big_table->second, top);
    const std::int64_t shared = std::min<std::int64_t>(config.type_vocab, big_types.size(0));
    types.slice(0, 0, shared).copy_((big_types - big_types.mean(0, true)).slice(0, 0, shared) * scale);
  }
  student.params["embeddings.token_type_embeddings.weight"] = types.to(device);
  return student;
}

Score train_student(EncoderModule& student, const TaskData& data, Tensor logits, const PlainOptions& o,
                    const CheckpointStore* store, const Log& log) {
  TrainOptions t;
  t.name = "student";
  t.epochs = o.epochs > 0 ? o.epochs : std::min(60, epochs_for(data.split.train.size(), o.batch, o.min_steps, 4));
  t.patience = o.patience;
  t.batch_size = o.batch;
  t.learning_rate = o.rate;
  t.embedding_rate = o.embedding_rate;
  t.length_power = o.length_power;
  t.seed = o.seed;
  t.max_steps = o.max_steps;
  t.forward.dropout = o.dropout;
  t.forward.word_dropout = o.word_dropout;
  t.store = store;
  const Objective objective = objective_of(data.spec.kind, data.split.train);
  const Loss loss =
      logits.defined()
          ? distillation_loss(objective, targets_of(objective.task, logits, data.split.train), o.hard, o.temperature)
          : label_loss(objective);
  return train(
      student, data, t, loss, [](const std::string&) { return true; }, log);
}

}  // namespace thex::convert
