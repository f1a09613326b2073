#include "thex/approx/plain_model.h"

#include <algorithm>
#include <cmath>

#include "thex/base/error.h"

namespace thex::approx {

using torch::Tensor;

EncoderModule make_teacher(const bert::Model& backbone, const std::vector<std::string>& labels, const Split& split,
                           const PlainOptions& o, const CheckpointStore& store, torch::Device device, const Log& log) {
  if (auto saved = store.load_module("teacher", device)) {
    log("teacher: resumed from its checkpoint");
    return std::move(saved->module);
  }
  bert::ModelConfig config = backbone.config;
  config.labels = labels;
  config.pooler = true;
  EncoderModule teacher(config, o.seed, device);  // random head; the rest is overwritten
  for (auto& [name, value] : from_tensor_map(backbone.tensors, device)) {
    if (name.rfind("pooler.", 0) == 0 || name.rfind("classifier.", 0) == 0) continue;
    const auto it = teacher.params.find(name);
    if (it == teacher.params.end()) continue;
    if (it->second.sizes() != value.sizes())
      throw Error(ErrorCode::model, "tensor '" + name + "' has an unexpected shape");
    it->second = value;
  }
  TrainOptions t;
  t.name = "teacher";
  t.epochs = o.teacher_epochs;
  t.batch_size = o.teacher_batch;
  t.learning_rate = o.teacher_rate;
  t.embedding_rate = o.teacher_rate;
  t.length_power = o.length_power;
  t.seed = o.seed;
  t.max_steps = o.max_steps;
  const Score score = train(
      teacher, split, t, label_loss, [](const std::string&) { return true; }, log);
  store.save_module("teacher", teacher, {{"held_out", std::to_string(score.accuracy)}});
  return teacher;
}

Tensor teacher_logits(const EncoderModule& teacher, const Split& split, const CheckpointStore& store, const Log& log) {
  if (auto saved = store.load_table("teacher-logits");
      saved && saved->size(0) == static_cast<std::int64_t>(split.train.size()))
    return *saved;
  const Tensor logits = all_logits(teacher, split.train, log);
  store.save_table("teacher-logits", logits);
  return logits;
}

EncoderModule start_student(const bert::ModelConfig& config, const bert::Model& backbone, const DataSet& data,
                            std::uint64_t seed, torch::Device device) {
  EncoderModule student(config, seed, device);
  const Parameters big = from_tensor_map(backbone.tensors, torch::kCPU);
  const Tensor words = big.at("embeddings.word_embeddings.weight");
  if (words.size(0) != config.vocab)
    throw Error(ErrorCode::model, "the backbone has " + std::to_string(words.size(0)) +
                                      " words, the student's configuration " + std::to_string(config.vocab));
  if (words.size(1) < config.hidden)
    throw Error(ErrorCode::model, "the backbone is " + std::to_string(words.size(1)) +
                                      " wide, narrower than the student (" + std::to_string(config.hidden) + ")");
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
    throw Error(ErrorCode::model, "the backbone has only " + std::to_string(positions.size(0)) + " positions");
  student.params["embeddings.word_embeddings.weight"] = (small * scale).contiguous().to(device);
  student.params["embeddings.position_embeddings.weight"] =
      ((positions - positions.mean(0, true)) * scale).slice(0, 0, config.max_positions).contiguous().to(device);
  student.params["embeddings.token_type_embeddings.weight"] = at::zeros({config.type_vocab, config.hidden}).to(device);
  return student;
}

Score train_student(EncoderModule& student, const Split& split, Tensor logits, const PlainOptions& o, const Log& log) {
  TrainOptions t;
  t.name = logits.defined() ? "student" : "student (labels only)";
  t.epochs = o.student_epochs;
  t.batch_size = o.student_batch;
  t.learning_rate = o.student_rate;
  t.embedding_rate = o.student_embedding_rate;
  t.length_power = o.length_power;
  t.seed = o.seed;
  t.max_steps = o.max_steps;
  t.forward.dropout = o.dropout;
  t.forward.word_dropout = o.word_dropout;
  const Loss loss = logits.defined() ? distillation_loss(logits, o.hard, o.temperature) : Loss(label_loss);
  return train(
      student, split, t, loss, [](const std::string&) { return true; }, log);
}

}  // namespace thex::approx
