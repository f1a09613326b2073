// `thex-convert MODEL_DIR`: the THE-X workflow on a plain model folder.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "thex/base/clock.h"
#include "thex/base/error.h"
#include "thex/convert/augment.h"
#include "thex/convert/conversion_report.h"
#include "thex/convert/convert_cli.h"
#include "thex/convert/deep_start.h"
#include "thex/convert/plain_model.h"
#include "thex/convert/report/required_plan.h"
#include "thex/convert/training_data.h"
#include "thex/convert/work_folder.h"
#include "thex/data/texts.h"
#include "thex/encoder/calibration.h"
#include "thex/model/reference.h"
#include "thex/model/tokenizer_files.h"

namespace thex::convert {
namespace {

// Of a model that is made for one round unless the user says so.
constexpr int kMostLayersInOneRound = 3;

double encoder_weights(const model::ModelConfig& c) {
  return static_cast<double>(c.layers) * c.hidden * (4.0 * c.hidden + 2.0 * c.ffn);
}

model::Model load_plain_model(const ConvertArguments& a) {
  model::Model model = model::load_model(a.model);
  if (model.config.thex)
    throw Error(
        ErrorCode::model,
        "'" + a.model.string() +
            "' is converted already (config.json has a thex section): serve it as it is, or name the plain model");
  if (model.config.labels.empty() && !a.backbone)
    throw Error(ErrorCode::model, "'" + a.model.string() +
                                      "' has no head (classifier.weight and id2label); with --backbone it is "
                                      "fine-tuned on the task first");
  return model;
}

// One conversion, step by step; run() has their order.
class Conversion {
 public:
  explicit Conversion(ConvertArguments arguments)
      : a_(std::move(arguments)),
        log_(make_log(a_.quiet)),
        device_(prepare(a_)),
        model_(load_plain_model(a_)),
        tokenizer_(model::load_tokenizer(a_.model, model_.config)),
        texts_alone_(data::is_texts(a_.train, model_.config.task)),
        task_(resolve_task(a_.task, texts_alone_ ? a_.dev : a_.train,
                           a_.backbone ? std::nullopt : std::optional<model::ModelConfig>(model_.config))) {
    if (texts_alone_ && (a_.backbone || a_.workflow.profile == Profile::paper || a_.workflow.hard > 0))
      throw Error(ErrorCode::usage, a_.train.string() +
                                        " has texts without labels, which --backbone, --profile paper and --hard learn "
                                        "from: name a file with labels, or a model that is fine-tuned");
  }

  void run() {
    if (!model_.prefix.empty()) log_(model_.prefix_note());
    read_data();
    choose_options();
    const EncoderModule plain = plain_model();
    const std::optional<EncoderModule> larger = larger_teacher();
    const EncoderModule& teacher = larger ? *larger : plain;
    if (texts_alone_) {
      log_(
          "the training texts have no labels: the model's own answers stand for them, and held-out scores say how "
          "often the converted model agrees with it");
      label_by(teacher, data_.split.train, log_);
      label_by(teacher, data_.split.held_out, log_);
    }
    const bool table = o_.profile == Profile::standard && !takes_states(o_.protocol);
    const torch::Tensor outputs = table ? teach(teacher) : torch::Tensor();
    const WorkflowResult result = run_workflow(plain, outputs, data_, o_, *store_, log_, larger ? &*larger : nullptr);
    std::fputs(stage_table(result, data_.spec).c_str(), stderr);
    write(plain, result, exported(result));
  }

 private:
  std::filesystem::path vocabulary() const { return a_.model / model::kVocabularyFile; }
  // A plan is made for the longest examples that are learned from, and for 128 tokens at least.
  int plan_length() const {
    return std::min(std::max(a_.max_length, model::HeSection{}.max_tokens), model_.config.max_positions);
  }

  void read_data() {
    a_.max_length = std::min(a_.max_length, model_.config.max_positions);
    const bool learned = a_.backbone || a_.workflow.profile == Profile::paper || a_.workflow.hard > 0;
    data_ = load_task(a_, task_, tokenizer_, learned, log_);
    require_segments(data_, model_.config, a_.model.string());
    add_texts(data_, a_.texts, tokenizer_, log_);
    const std::vector<char> replaceable = replaceable_words(tokenizer_);
    for (std::size_t id = 0; id < replaceable.size(); ++id)
      if (replaceable[id]) data_.words.push_back(static_cast<std::int64_t>(id));
    const std::string fingerprint = fingerprint_of_model(model_);
    work_.emplace(a_.work, "convert " + fingerprint);
    std::string key = data_fingerprint(a_, task_) + fingerprint;
    for (const auto& file : a_.texts) key += fingerprint_of_file(file);
    store_.emplace(a_.work, fingerprint_of_text(key));
  }

  // What was given is to count, whatever protocol was chosen.
  void require_used(const WorkflowOptions& o) const {
    require_read(o, a_.given);
    if (takes_states(o.protocol) && a_.variants.value_or(0) > 0)
      throw Error(ErrorCode::usage,
                  "for masked-rounds variants of the texts are made anew in each epoch: leave out --augment");
    if (!takes_states(o.protocol) && !a_.texts.empty())
      throw Error(ErrorCode::usage, "--texts are for masked-rounds: add --protocol masked-rounds, or leave them out");
  }

  // Also finds out, before anything is trained, whether the result can be served and what the training needs.
  void choose_options() {
    model::ModelConfig wanted = model_.config;
    wanted.task = data_.spec.kind;
    wanted.labels = !row_of(data_.spec.kind).classes ? std::vector<std::string>{"value"} : data_.spec.labels;
    std::optional<ExpectedModel> expected;
    const auto require = [&] { expected = require_plan(wanted, a_.workflow.protocol, plan_length(), log_); };
    if (!a_.protocol && a_.workflow.protocol == model::Protocol::one_round && wanted.layers > kMostLayersInOneRound) {
      log_("a model of " + std::to_string(wanted.layers) +
           " layers is made for masked rounds: in one round it takes more time than in many, and over so many layers "
           "training does not hold norms that do not normalise (--protocol decides otherwise)");
      a_.workflow.protocol = model::Protocol::masked_rounds;
    }
    try {
      require();
    } catch (const Error& e) {
      if (a_.protocol || e.code() != ErrorCode::model) throw;
      log_(std::string("too deep for one round, so the model is made for masked rounds: ") + e.what());
      a_.workflow.protocol = model::Protocol::masked_rounds;
      require();
    }
    require_used(a_.workflow);
    if (expected)
      for (const std::string& line : costs_of(*expected)) log_(line);
    o_ = suited_options(a_.workflow, a_.given,
                        {model_.config.hidden, data_.split.train.size(), mean_length(data_.split.train)});
    if (a_.quick) {  // in as many steps as the protocol takes
      make_quick(o_, model_.config.layers);
      a_.plain.max_steps = o_.max_steps;
    }
    const auto length = static_cast<std::uint64_t>(a_.max_length);
    const MemoryEstimate need =
        takes_states(o_.protocol)
            ? deep_training_memory(model_.config, o_.batch_size, length, deep_start_tokens(model_.config))
            : training_memory(model_.config, o_.batch_size, length, o_.hidden > 0);
    tell_resources(need, o_.batch_size, a_.work, 12, log_);
  }

  // The model as given, or the backbone fine-tuned on the task, which is kept beside the checkpoints.
  EncoderModule plain_model() {
    if (!a_.backbone) return EncoderModule(model_, device_);
    store_ = store_->with("backbone;" + describe(a_.plain));
    const EncoderModule tuned = fine_tune_backbone(model_, "plain", data_, a_.plain, *store_, device_, log_);
    nlohmann::ordered_json report;
    report["dev"] = score_json(evaluate(tuned, data_.spec, data_.dev));
    write_model_folder(tuned.to_model(), vocabulary(), a_.work / "plain", {{"report.json", report.dump(2) + "\n"}},
                       checkpoint::Dtype::f32, true);
    return tuned;
  }

  // How many variants of training examples are made; for polynomials also how many examples an epoch has then.
  std::size_t choose_variants() {
    if (a_.variants) return *a_.variants;
    const std::size_t examples = data_.split.train.size();
    if (a_.quick || examples >= kEnoughExamples || !can_vary(data_.split.train, {})) return 0;
    const bool polynomials = row_of(o_.protocol).polynomial();
    if (polynomials) o_.epoch_examples = kEnoughExamples;
    return (polynomials ? kEnoughForPolynomials : kEnoughExamples) - examples;
  }

  // A larger model to distil from, if one was named.
  std::optional<EncoderModule> larger_teacher() {
    if (a_.teacher.empty()) return std::nullopt;
    const model::Model larger = load_teacher();
    store_ = store_->with("teacher " + fingerprint_of_model(larger));
    return EncoderModule(larger, device_);
  }

  // Fills the training data up with text without labels, and returns the teacher's outputs for all of it.
  torch::Tensor teach(const EncoderModule& teacher) {
    variants_ = choose_variants();
    if (variants_ > 0)
      add_variants(data_.split.train, variants_, teacher.params.at("embeddings.word_embeddings.weight"), tokenizer_,
                   a_.max_length, a_.seed + 1);
    std::string key = "teacher " + std::to_string(variants_);
    if (row_of(o_.protocol).polynomial()) {
      add_long_examples(data_.split.train, static_cast<std::size_t>(a_.max_length), a_.seed + 2);
      key += " long";
    }
    store_ = store_->with(key);
    return teacher_logits(teacher, data_.split, *store_, log_);
  }

  model::Model load_teacher() const {
    model::Model larger = model::load_model(a_.teacher);
    if (larger.config.labels.size() != data_.spec.labels.size() || larger.config.task != data_.spec.kind ||
        larger.config.vocab != model_.config.vocab)
      throw Error(ErrorCode::model,
                  "the teacher '" + a_.teacher.string() +
                      "' has another kind of task, other labels or another vocabulary size than MODEL_DIR: a "
                      "teacher is fine-tuned on the same task with the same vocab.txt");
    return larger;
  }

  model::Model exported(const WorkflowResult& result) const {
    model::Model out = result.module.to_model();
    if (!out.config.he_friendly()) throw Error(ErrorCode::internal, "the converted model is not HE-friendly");
    out.config.thex->max_relu_input = result.ranges.max_relu_input();
    out.config.thex->max_logit = result.ranges.logit;
    out.config.thex->max_tokens = std::max(a_.max_length, out.config.thex->max_tokens);
    out.config.thex->layers = result.ranges.layer_ranges();
    encoder::measure_weights(out);
    if (row_of(o_.protocol).polynomial()) measure_errors(out);
    return out;
  }

  // For predictions of precision; and sizes of padding, for masks.
  void measure_errors(model::Model& out) const {
    constexpr std::size_t kTexts = 6;
    log_("measuring what errors of each layer's values make of the outputs, and padding");
    std::vector<std::vector<double>> texts;
    for (const Sentence& s : evenly_spaced(data_.split.held_out, kTexts)) {
      const std::vector<std::int32_t> ids(s.ids.begin(), s.ids.end()), types(s.types.begin(), s.types.end());
      texts.push_back(model::embed(out, ids, types));
      if (texts.size() == kTexts) break;
    }
    encoder::widen_sizes(out, texts);
    encoder::measure_errors(out, texts);
  }

  // The double-precision reference takes a while for large encoders: some examples will do.
  bool checks_all_of_dev() const { return encoder_weights(model_.config) < 2e6; }

  Agreement check(const WorkflowResult& result, const model::Model& out) const {
    const Agreement agreement = compare_with_reference(result.module, out, data_.spec,
                                                       checks_all_of_dev() ? data_.dev : evenly_spaced(data_.dev, 100));
    char line[160];
    std::snprintf(line, sizeof line,
                  "reference in double precision on %zu dev examples: %s %.2f, largest difference of an output %.1e",
                  agreement.count, data::name(data_.spec.metrics.front()), agreement.metric,
                  agreement.largest_difference);
    log_(line);
    require_agreement(agreement, result, data_.split.train.size() - variants_,
                      a_.quick                    ? "without --quick"
                      : takes_states(o_.protocol) ? "--final-steps"
                                                  : "--min-steps, --final-steps");
    return agreement;
  }

  void write(const EncoderModule& plain, const WorkflowResult& result, const model::Model& out) {
    const Agreement agreement = check(result, out);
    ConversionReport report = report_of(result, a_, o_, data_, variants_);
    if (checks_all_of_dev()) report.reference_metric = agreement.metric;
    report.reference_difference = agreement.largest_difference;
    const auto outcomes = [&](const EncoderModule& m) {
      return outcomes_of(data_.spec, data_.dev, predict(m, data_.dev));
    };
    const data::Outcomes before = outcomes(plain), after = outcomes(result.module);
    report.dev_standard_error = standard_error_of_change(data_.spec, before, after, 200, a_.seed);
    if (!data_.dev.empty()) report.dev_agreement = agreement_of(data_.spec, before, after);
    add_plan(report, out, tokenizer_, plan_length(), log_);
    report.seconds = seconds_since(started_);
    report.verdict = judge(report);
    log_("verdict: " + report.verdict.summary);
    write_model_folder(out, vocabulary(), a_.out,
                       {{"report.json", report_json(report)}, {"report.html", report_html(report)}},
                       checkpoint::Dtype::f16, a_.force);
    log_("wrote " + a_.out.string());
  }

  const Time started_ = Clock::now();
  ConvertArguments a_;
  const Log log_;
  const torch::Device device_;
  const model::Model model_;
  const text::Tokenizer tokenizer_;
  const bool texts_alone_;  // no labels in the training file
  const ResolvedTask task_;
  std::optional<WorkFolder> work_;
  TaskData data_;
  WorkflowOptions o_;  // as they are used
  std::optional<CheckpointStore> store_;
  std::size_t variants_ = 0;
};

}  // namespace

int run_convert(int argc, char** argv) {
  ConvertArguments arguments;
  if (const int status = parse_convert(argc, argv, arguments); status >= 0) return status;
  Conversion(std::move(arguments)).run();
  return 0;
}

}  // namespace thex::convert
