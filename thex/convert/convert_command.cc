// `thex-convert MODEL_DIR`: the THE-X workflow on a plain model folder.
#include <chrono>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "thex/base/error.h"
#include "thex/convert/augment.h"
#include "thex/convert/convert_cli.h"
#include "thex/convert/plain_model.h"
#include "thex/convert/report/report.h"
#include "thex/convert/report/required_plan.h"
#include "thex/convert/stages.h"
#include "thex/convert/verify.h"
#include "thex/model/tokenizer_files.h"

namespace thex::convert {
namespace {

std::string text_of(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

std::vector<std::pair<std::string, std::string>> options_of(const WorkflowOptions& o) {
  return {{"profile", o.profile == Profile::paper ? "paper" : "default"},
          {"protocol", model::name_of(o.protocol)},
          {"epochs", std::to_string(o.epochs)},
          {"norm_epochs", std::to_string(o.norm_epochs)},
          {"final_epochs", std::to_string(o.final_epochs)},
          {"min_steps", std::to_string(o.min_steps)},
          {"final_steps", std::to_string(o.final_steps)},
          {"patience", std::to_string(o.patience)},
          {"norm_group", std::to_string(o.norm_group)},
          {"rate", text_of(o.learning_rate)},
          {"embedding_rate", text_of(o.embedding_rate)},
          {"affine_rate", text_of(o.affine_rate)},
          {"weight_decay", text_of(o.weight_decay)},
          {"batch", std::to_string(o.batch_size)},
          {"hard", text_of(o.hard)},
          {"hidden", text_of(o.hidden)},
          {"temperature", text_of(o.temperature)},
          {"dropout", text_of(o.dropout)},
          {"word_dropout", text_of(o.word_dropout)},
          {"length_power", text_of(o.length_power)},
          {"score_limit", text_of(o.score_limit)},
          {"ffn_limit", text_of(o.ffn_limit)},
          {"hidden_limit", text_of(o.hidden_limit)},
          {"range_weight", text_of(o.range_weight)}};
}

ConversionReport report_of(const WorkflowResult& r, const CommonArguments& a, const TaskData& data,
                           const WorkflowOptions& o, std::size_t variants) {
  ConversionReport report;
  report.task = data.spec.name;
  for (data::Metric metric : data.spec.metrics) report.metrics.push_back(data::name(metric));
  report.data = {data.split.train.size(),  data.split.held_out.size(), data.dev.size(),
                 data.split.held_out_long, data.split.dropped,         variants};
  report.options = options_of(o);
  report.seed = a.seed;
  for (const StageRow& s : r.stages) {
    const bool with_long = data.split.held_out_long > 1;
    report.stages.push_back(
        {s.name, s.what, s.held_out.metrics, s.dev.metrics, with_long ? s.held_out.metric_long : 0, s.seconds});
    for (const EpochPoint& p : s.curve) report.curves.push_back({s.name, p.epoch, p.loss, p.held_out});
  }
  for (std::size_t l = 0; l < r.ranges.layers.size(); ++l)
    for (const auto& [name, m] : named(r.ranges.layers[l]))
      report.ranges.push_back({static_cast<int>(l), name, m.rms, m.max, m.p50, m.p99, m.p999});
  report.max_relu_input = r.ranges.max_relu_input();
  report.max_logit = r.ranges.logit;
  const Excess excess = largest_excess(r.ranges, r.unseen);
  report.unseen = UnseenRanges{data.split.held_out.size() + data.dev.size(), excess.ratio, excess.where, 0};
  const EstimationReport& e = r.estimation_report;
  if (o.protocol == model::Protocol::the_x)
    report.estimation = {r.estimation.min_sum,   r.estimation.max_sum,  e.mse_true_softmax,
                         e.mse_exact_reciprocal, e.mse_reciprocal_part, e.worst_relative};
  return report;
}

// What serving will cost, where a plan can be made.
void add_plan(ConversionReport& report, const WorkflowOptions& o, int max_length, const Log& log) {
  try {
    const encoder::InferencePlan plan = encoder::plan_inference(report.config, max_length);
    report.plan = budget_of(plan);
    report.unseen->room = plan.largest_value() / report.config.thex->largest_decrypted(o.protocol);
    char line[200];
    std::snprintf(
        line, sizeof line,
        "held-out and dev examples reach %.2f times the ranges (%s); decrypted values have room for %.1f times",
        report.unseen->ratio, report.unseen->where.c_str(), report.unseen->room);
    log(line);
  } catch (const Error& e) {
    log(std::string("warning: no plan for encrypted inference: ") + e.what());
  }
}

void print_table(const WorkflowResult& r, const data::TaskSpec& spec) {
  std::fprintf(stderr, "\n%-20s %10s %10s %10s  %s   (%s, in per cent)\n", "stage", "dev", "held-out", "change", "what",
               data::name(spec.metrics.front()));
  for (const StageRow& s : r.stages)
    std::fprintf(stderr, "%-20s %10.2f %10.2f %+10.2f  %s\n", s.name.c_str(), s.dev.metric, s.held_out.metric,
                 s.dev.metric - r.stages.front().dev.metric, s.what.c_str());
  const Ranges& g = r.ranges;
  std::fprintf(stderr,
               "\nranges: scores %.2f, coefficients %.1f, their sums %.3g..%.1f, P.V %.2f, FFN %.1f, hidden %.1f, "
               "logits %.2f",
               g.u, g.cube, g.min_sum, g.sum, g.context, g.ffn, g.hidden, g.logit);
  if (r.module.softmax == model::Softmax::estimation)
    std::fprintf(stderr, ", T %.1f and %.1f; largest ReLU input %.1f", g.t1, g.t2, g.max_relu_input());
  std::fprintf(stderr, "\n");
}

// What a smaller training split is filled up to with variants, unless the user asks for another number of them: a
// student follows its teacher on text that the teacher was not fitted to. Polynomials, which have more to learn, get
// more of them in epochs of the same length, which draw other examples each time.
constexpr std::size_t kEnoughExamples = 25000, kEnoughForPolynomials = 100000;

// Of all layers' matrices.
double encoder_weights(const model::ModelConfig& c) {
  return static_cast<double>(c.layers) * c.hidden * (4.0 * c.hidden + 2.0 * c.ffn);
}

// Polynomials leave all bounds where they were not trained: texts of every length up to the longest, joined from the
// training examples, an eighth of them.
void add_long_examples(DataSet& train, std::size_t max_length, std::uint64_t seed) {
  const DataSet examples = train;
  for (std::size_t part = 1; part <= 4; ++part) {
    DataSet joined =
        join_to_length(examples, examples.size() / 32, std::max<std::size_t>(8, max_length * part / 4), seed + part);
    for (Sentence& s : joined) {  // the teacher says what they mean
      s.label = -1;
      s.value = std::numeric_limits<double>::quiet_NaN();
    }
    train.insert(train.end(), joined.begin(), joined.end());
  }
}

void make_quick(WorkflowOptions& o, FineTuneOptions& plain, int layers) {
  o.epochs = o.norm_epochs = o.final_epochs = 1;
  o.min_steps = 60;
  o.final_steps = 120;
  o.max_steps = 150;
  o.estimation_steps = 400;
  o.patience = 0;
  o.norm_group = std::max(o.norm_group, (2 * layers + 3) / 4);
  plain.max_steps = 150;
}

}  // namespace

int run_convert(int argc, char** argv) {
  CLI::App app{"Turns a fine-tuned BERT-family model into an HE-friendly one (THE-X)", "thex-convert"};
  app.footer("thex-convert make-plain --help: a small plain model distilled from a larger encoder");
  CommonArguments a;
  WorkflowOptions o;
  FineTuneOptions plain_options;
  std::filesystem::path folder, teacher_folder;
  std::string profile = "default";
  std::optional<std::string> protocol;
  bool backbone = false;
  std::optional<double> rate, embedding_rate, hard, dropout, word_dropout, score_limit;
  std::optional<std::size_t> batch, asked_variants;
  app.add_option("MODEL_DIR", folder, "Plain model: config.json, model.safetensors, vocab.txt")->required();
  add_common_arguments(app, a);
  app.add_option("--profile", profile, "paper: THE-X as published, without a teacher; default: what loses least")
      ->check(CLI::IsMember({"paper", "default"}))
      ->capture_default_str();
  app.add_option("--protocol", protocol,
                 "one-round: nobody sees anything, polynomials in place of all nonlinearities, seconds, few layers; "
                 "the-x: the client evaluates the ReLUs and sees their inputs, tenths of a second (default: one-round; "
                 "with --profile paper the-x)")
      ->check(CLI::IsMember({"one-round", "the-x"}));
  app.add_flag("--backbone", backbone,
               "MODEL_DIR is an encoder without a head: fine-tune it on the task first (kept as WORK/plain)");
  app.add_option("--plain-epochs", plain_options.epochs, "With --backbone: its epochs (default: by steps)");
  app.add_option("--plain-rate", plain_options.rate)->capture_default_str();
  app.add_option("--plain-batch", plain_options.batch)->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--teacher", teacher_folder,
                 "A larger fine-tuned model with the same vocabulary to distil from (default: MODEL_DIR)");
  app.add_option("--epochs", o.epochs, "Epochs of each fine-tuning stage, at least")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--norm-epochs", o.norm_epochs, "Epochs after each group of replaced LayerNorms, at least")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--final-epochs", o.final_epochs)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--min-steps", o.min_steps, "Steps of a stage, at least: small data sets get more epochs")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--final-steps", o.final_steps, "The same for the last stage")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--patience", o.patience, "Epochs without a better held-out score that end a stage; 0: none do")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--norm-group", o.norm_group, "LayerNorms replaced together: more are faster, but scores may overflow")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  app.add_option("--rate", rate,
                 "Learning rate (default: 6e-4 up to hidden size 128, 2e-4 for the-x; 5e-5 to 384, 3e-5 above)")
      ->check(CLI::PositiveNumber);
  app.add_option("--embedding-rate", embedding_rate, "Of the word embeddings; 0 freezes them (default: --rate)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--weight-decay", o.weight_decay, "AdamW's")->capture_default_str();
  app.add_option("--batch", batch, "Examples a step (default: 64, 32 below 20,000 examples)")
      ->check(CLI::Range(1, 4096));
  app.add_option("--hard", hard, "Share of the labels in the loss, the rest is the teacher's (default: 0)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--hidden", o.hidden, "Weight of the distillation of the plain model's layer outputs")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--temperature", o.temperature)->capture_default_str();
  app.add_option("--dropout", dropout, "After the embeddings (default: 0; with --profile paper 0.1)")
      ->check(CLI::Range(0.0, 0.9));
  app.add_option("--word-dropout", word_dropout, "Of whole words (default: 0)")->check(CLI::Range(0.0, 0.9));
  app.add_option("--length-power", o.length_power, "Weight of long examples: (length/mean)^power")
      ->capture_default_str();
  app.add_option("--score-limit", score_limit, "Penalise |score/2+1| beyond this (default: 6; for the-x 3)");
  app.add_option("--ffn-limit", o.ffn_limit)->capture_default_str();
  app.add_option("--hidden-limit", o.hidden_limit)->capture_default_str();
  app.add_option("--range-weight", o.range_weight, "Weight of the range penalties")->capture_default_str();
  app.add_option("--augment", asked_variants,
                 "Variants of training examples for the teacher to label, see augment.h (default: as many as make " +
                     std::to_string(kEnoughExamples) + " examples; for one-round " +
                     std::to_string(kEnoughForPolynomials) + ", of which an epoch sees " +
                     std::to_string(kEnoughExamples) + ")");
  if (const int status = parse(app, argc, argv); status >= 0) return status;

  const auto started = std::chrono::steady_clock::now();
  const Log log = make_log(a.quiet);
  const torch::Device device = prepare(a);
  if (a.work.empty()) a.work = a.out.string() + ".work";
  o.profile = profile == "paper" ? Profile::paper : Profile::standard;
  o.protocol = protocol.value_or(profile == "paper" ? "the-x" : "one-round") == "the-x" ? model::Protocol::the_x
                                                                                        : model::Protocol::one_round;
  if (o.profile == Profile::paper && (asked_variants.value_or(0) > 0 || hard || !teacher_folder.empty()))
    throw Error(ErrorCode::usage, "--profile paper has no teacher: leave out --teacher, --hard and --augment");
  const model::Model model = model::load_model(folder);
  if (!model.prefix.empty()) log(model.prefix_note());
  if (model.config.thex)
    throw Error(ErrorCode::model, "'" + folder.string() + "' is converted already (config.json has a thex section)");
  if (model.config.labels.empty() && !backbone)
    throw Error(ErrorCode::model, "'" + folder.string() +
                                      "' has no head (classifier.weight and id2label); with --backbone it is "
                                      "fine-tuned on the task first");
  if (backbone && !teacher_folder.empty())
    throw Error(ErrorCode::usage, "--backbone makes the teacher itself: leave out --teacher");
  if (a.quick) make_quick(o, plain_options, model.config.layers);
  o.seed = plain_options.seed = a.seed;
  a.max_length = std::min(a.max_length, model.config.max_positions);
  const auto vocab = folder / model::kVocabularyFile;
  const text::Tokenizer tokenizer = model::load_tokenizer(folder, model.config);
  const ResolvedTask task =
      resolve_task(a.task, a.train, backbone ? std::nullopt : std::optional<model::ModelConfig>(model.config));
  if (!task.spec.columns.pair.empty()) model::require_pairs(model.config);
  TaskData data = load_task(a, task, tokenizer, log);
  const WorkflowOptions suited = default_options(o.profile, o.protocol, model.config);
  o.batch_size = batch.value_or(data.split.train.size() >= 20000 ? 64 : 32);
  o.learning_rate = rate.value_or(suited.learning_rate);
  o.embedding_rate = embedding_rate.value_or(o.learning_rate);
  o.hard = hard.value_or(suited.hard);
  o.dropout = dropout.value_or(suited.dropout);
  o.word_dropout = word_dropout.value_or(suited.word_dropout);
  o.score_limit = score_limit.value_or(suited.score_limit);
  o.affine_rate = suited.affine_rate;
  std::size_t variants = 0;
  CheckpointStore store(a.work, fingerprint_of_text(data_fingerprint(a, task) + fingerprint_of_model(model)));
  model::ModelConfig wanted = model.config;
  wanted.task = data.spec.kind;
  wanted.labels = data.spec.kind == model::Task::regression ? std::vector<std::string>{"value"} : data.spec.labels;
  require_plan(std::move(wanted), o.protocol, std::min(128, a.max_length), log);
  tell_resources(model.config, o.batch_size, a.max_length, o.hidden > 0, a.work, 12, log);
  nlohmann::ordered_json plain_report;
  const EncoderModule plain = [&] {
    if (!backbone) return EncoderModule(model, device);
    char text[160];
    std::snprintf(text, sizeof text, "backbone %d %ld %d %g %zu %ld", plain_options.epochs, plain_options.min_steps,
                  plain_options.patience, plain_options.rate, plain_options.batch, plain_options.max_steps);
    store = store.with(text);
    const EncoderModule tuned = fine_tune_backbone(model, "plain", data, plain_options, store, device, log);
    plain_report["dev"] = score_json(evaluate(tuned, data.spec, data.dev));
    write_model_folder(tuned.to_model(), vocab, a.work / "plain", {{"report.json", plain_report.dump(2) + "\n"}},
                       checkpoint::Dtype::f32);
    return tuned;
  }();
  torch::Tensor table;
  if (o.profile == Profile::standard) {
    AugmentOptions more;
    if (asked_variants) {
      variants = *asked_variants;
    } else if (!a.quick && data.split.train.size() < kEnoughExamples && can_vary(data.split.train, more)) {
      const bool polynomials = o.protocol == model::Protocol::one_round;
      variants = (polynomials ? kEnoughForPolynomials : kEnoughExamples) - data.split.train.size();
      if (polynomials) o.epoch_examples = kEnoughExamples;
    }
    if (variants > 0) {
      more.count = variants;
      more.seed = a.seed + 1;
      more.max_length = static_cast<std::size_t>(a.max_length);
      const DataSet extra = augment(data.split.train, plain.params.at("embeddings.word_embeddings.weight"),
                                    replaceable_words(tokenizer), more);
      data.split.train.insert(data.split.train.end(), extra.begin(), extra.end());
    }
    std::string teacher_text = "teacher " + std::to_string(variants);
    if (o.protocol == model::Protocol::one_round) {
      add_long_examples(data.split.train, static_cast<std::size_t>(a.max_length), a.seed + 2);
      teacher_text += " long";
    }
    std::optional<EncoderModule> teacher;
    if (!teacher_folder.empty()) {
      const model::Model larger = model::load_model(teacher_folder);
      if (larger.config.labels.size() != data.spec.labels.size() || larger.config.task != data.spec.kind ||
          larger.config.vocab != model.config.vocab)
        throw Error(ErrorCode::model, "the teacher '" + teacher_folder.string() +
                                          "' has another kind of task, other labels or another vocabulary size");
      teacher.emplace(larger, device);
      teacher_text += fingerprint_of_model(larger);
    }
    store = store.with(teacher_text);
    table = teacher_logits(teacher ? *teacher : plain, data.split, store, log);
  }
  const WorkflowResult result = run_workflow(plain, table, data, o, store, log);
  model::Model out = result.module.to_model();
  if (!out.config.he_friendly()) throw Error(ErrorCode::internal, "the converted model is not HE-friendly");
  out.config.thex->max_relu_input = result.ranges.max_relu_input();
  out.config.thex->max_logit = result.ranges.logit;
  out.config.thex->layers = result.ranges.layer_ranges();
  print_table(result, data.spec);
  // The double-precision reference takes a while for large encoders: some examples will do.
  const bool all_of_dev = encoder_weights(out.config) < 2e6;
  const Agreement agreement =
      compare_with_reference(result.module, out, data.spec, all_of_dev ? data.dev : evenly_spaced(data.dev, 100));
  char line[160];
  std::snprintf(line, sizeof line,
                "reference in double precision on %zu dev examples: %s %.2f, largest difference of an output %.1e",
                agreement.count, data::name(data.spec.metrics.front()), agreement.metric, agreement.largest_difference);
  log(line);
  if (!(agreement.largest_difference < 1e-2))
    throw Error(ErrorCode::internal, std::string("the exported model does not compute what was trained; ") + line);
  ConversionReport report = report_of(result, a, data, o, variants);
  report.name = a.out.filename().string();
  report.source = folder.string();
  report.config = out.config;
  if (all_of_dev) report.reference_metric = agreement.metric;
  report.reference_difference = agreement.largest_difference;
  report.dev_standard_error =
      standard_error(data.spec, outcomes_of(data.spec, data.dev, predict(result.module, data.dev)), 100, a.seed);
  add_plan(report, o, std::min(128, a.max_length), log);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  report.verdict = judge(report);
  log("verdict: " + report.verdict.summary);
  write_model_folder(out, vocab, a.out, {{"report.json", report_json(report)}, {"report.html", report_html(report)}},
                     checkpoint::Dtype::f16);
  log("wrote " + a.out.string());
  return 0;
}

}  // namespace thex::convert
