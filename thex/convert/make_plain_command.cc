// `thex-convert make-plain`: a plain BERT-tiny-shaped classifier, distilled from a larger encoder.
#include <ATen/Context.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "thex/base/error.h"
#include "thex/convert/convert_cli.h"
#include "thex/convert/plain_model.h"
#include "thex/convert/training_data.h"
#include "thex/convert/work_folder.h"
#include "thex/model/tokenizer_files.h"

namespace thex::convert {
namespace {

void make_quick(PlainOptions& o) {
  o.teacher.max_steps = 100;
  o.epochs = 1;
  o.max_steps = 300;
}

model::Model load_backbone(const MakePlainArguments& a) {
  model::Model backbone = model::load_model(a.backbone);
  if (backbone.config.thex)
    throw Error(ErrorCode::model,
                "'" + a.backbone.string() + "' is HE-friendly already: name the plain encoder that it was made of");
  return backbone;
}

// The teacher that was named, or nothing.
std::optional<model::Model> load_teacher(const MakePlainArguments& a, int vocab) {
  if (a.teacher.empty()) return std::nullopt;
  model::Model teacher = model::load_model(a.teacher);
  if (teacher.config.labels.empty() || teacher.config.vocab != vocab)
    throw Error(ErrorCode::model,
                "the teacher '" + a.teacher.string() +
                    "' has no head or another vocabulary size than the backbone: fine-tune an encoder with the same "
                    "vocab.txt on the task, or leave out --teacher to have the backbone fine-tuned");
  return teacher;
}

// The model that the student starts from, or nothing.
std::optional<model::Model> load_start(const MakePlainArguments& a, int vocab) {
  if (a.start.empty()) return std::nullopt;
  model::Model start = model::load_model(a.start);
  if (start.config.thex || start.config.vocab != vocab)
    throw Error(
        ErrorCode::model,
        "'" + a.start.string() +
            "' is HE-friendly already or has another vocabulary size than the backbone: name a plain model with "
            "the same vocab.txt, or leave out --start");
  return start;
}

// One plain model, step by step; run() has their order.
class PlainRun {
 public:
  explicit PlainRun(MakePlainArguments arguments)
      : a_(std::move(arguments)),
        log_(make_log(a_.quiet)),
        device_(prepare(a_)),
        backbone_(load_backbone(a_)),
        teacher_(load_teacher(a_, backbone_.config.vocab)),
        start_(load_start(a_, backbone_.config.vocab)),
        tokenizer_(model::load_tokenizer(a_.backbone, backbone_.config)),
        task_(resolve_task(a_.task, a_.train, teacher_ ? std::optional(teacher_->config) : std::nullopt)) {}

  void run() {
    if (!backbone_.prefix.empty()) log_(backbone_.prefix_note());
    choose_shape();
    data_ = load_task(a_, task_, tokenizer_, true, log_);
    o_.teacher.length_power = data_.split.held_out_long > 1 ? o_.length_power : 0;
    require_segments(data_, backbone_.config, a_.backbone.string());
    work_.emplace(a_.work, "make-plain " + fingerprint_of_model(backbone_));
    store_.emplace(a_.work, fingerprint_of_text(store_key()));
    report_["task"] = task_.spec.name;
    report_["seed"] = a_.seed;
    const torch::Tensor logits = a_.labels_only ? torch::Tensor() : teach();
    o_ = with_defaults(o_, plain_option_rows(), a_.given, {o_.student.hidden, data_.split.train.size()});
    EncoderModule student = fresh_student();
    const Score held = train_student(student, data_, logits, o_, &*store_, log_);
    write(student, held);
    store_->remove(training_state_name("student"));
  }

 private:
  std::filesystem::path vocabulary() const { return a_.backbone / model::kVocabularyFile; }

  void choose_shape() {
    o_ = a_.plain;
    if (a_.quick) make_quick(o_);
    o_.student.vocab = backbone_.config.vocab;
    o_.student.do_lower_case = backbone_.config.do_lower_case;
    o_.student.max_positions = std::min(o_.student.max_positions, backbone_.config.max_positions);
    a_.max_length = std::min({a_.max_length, o_.student.max_positions, backbone_.config.max_positions});
    if (start_) o_.student = start_->config;
    o_.student.special_tokens = backbone_.config.special_tokens;  // as its vocabulary, which the student takes over
    o_.student.labels = task_.spec.labels;
    o_.student.task = task_.spec.kind;
    o_.student.pooler = !by_token(task_.spec.kind);
  }

  std::string store_key() const {
    std::string key = data_fingerprint(a_, task_) + fingerprint_of_model(backbone_) + "/" + describe(o_.teacher);
    for (const auto* model : {&teacher_, &start_})
      if (*model) key += fingerprint_of_model(**model);
    return key;
  }

  MemoryEstimate memory_for(const model::ModelConfig& config, std::size_t batch) const {
    return training_memory(config, batch, static_cast<std::uint64_t>(a_.max_length), false);
  }

  // The teacher's outputs for the training data, which are filled up with the variants that were asked for.
  torch::Tensor teach() {
    model::ModelConfig large = backbone_.config;
    large.labels = task_.spec.labels;
    tell_resources(memory_for(large, o_.teacher.batch), o_.teacher.batch, a_.work, 2, log_);
    const EncoderModule teacher =
        teacher_ ? EncoderModule(*teacher_, device_)
                 : fine_tune_backbone(backbone_, "teacher", data_, o_.teacher, *store_, device_, log_);
    const std::size_t variants = a_.variants.value_or(0);
    add_variants(data_.split.train, variants, teacher.params.at("embeddings.word_embeddings.weight"), tokenizer_,
                 a_.max_length, a_.seed);
    store_ = store_->with("augment " + std::to_string(variants));
    const torch::Tensor logits = teacher_logits(teacher, data_.split, *store_, log_);
    report_["augmented_examples"] = variants;
    const Score score = evaluate(teacher, data_.spec, data_.dev);
    report_["teacher_dev"] = score_json(score);
    log_("teacher: " + score_text(score));
    if (!teacher_)
      write_model_folder(teacher.to_model(), vocabulary(), a_.work / "teacher",
                         {{"report.json", report_.dump(2) + "\n"}}, checkpoint::Dtype::f16, true);
    return logits;
  }

  EncoderModule fresh_student() {
    at::manual_seed(a_.seed);
    EncoderModule student = start_ ? with_fresh_head(*start_, o_.student, a_.seed, device_)
                                   : start_student(o_.student, backbone_, data_.split.train, a_.seed, device_);
    start_head(student, data_.split.train);
    tell_resources(memory_for(student.config, o_.batch), o_.batch, a_.work, 0, log_);
    store_ = store_->with(describe(o_) + (a_.labels_only ? "labels only" : ""));
    return student;
  }

  // What is reported is what is saved: half precision.
  void write(EncoderModule& student, const Score& held) {
    student.params = from_tensor_map(to_tensor_map(student.params), device_);
    for (auto& [name, value] : student.params) value = value.to(torch::kFloat16).to(torch::kFloat32);
    const Score dev = evaluate(student, data_.spec, data_.dev);
    report_["held_out"] = score_json(held);
    report_["dev"] = score_json(dev);
    for (const auto& [name, value] : option_values(plain_option_rows(), o_)) report_["options"][name] = value;
    log_("student: " + score_text(dev));
    write_model_folder(student.to_model(), vocabulary(), a_.out, {{"report.json", report_.dump(2) + "\n"}},
                       checkpoint::Dtype::f16, a_.force);
  }

  MakePlainArguments a_;
  const Log log_;
  const torch::Device device_;
  const model::Model backbone_;
  const std::optional<model::Model> teacher_, start_;
  const text::Tokenizer tokenizer_;
  const ResolvedTask task_;
  std::optional<WorkFolder> work_;
  PlainOptions o_;  // as they are used
  TaskData data_;
  std::optional<CheckpointStore> store_;
  nlohmann::ordered_json report_;
};

}  // namespace

int run_make_plain(int argc, char** argv) {
  MakePlainArguments arguments;
  if (const int status = parse_make_plain(argc, argv, arguments); status >= 0) return status;
  PlainRun(std::move(arguments)).run();
  return 0;
}

}  // namespace thex::convert
