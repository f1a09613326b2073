#include "thex/convert/command_arguments.h"

#include "thex/base/error.h"
#include "thex/cli/command.h"
#include "thex/cli/empty_values.h"
#include "thex/convert/training_data.h"

namespace thex::convert {
namespace {

void add_common_options(CLI::App& app, CommonArguments& a, const std::string& teacher_help,
                        const std::string& variants_help) {
  app.add_option("--train", a.train, "Training examples")->required();
  app.add_option("--dev", a.dev, "Evaluation examples; never used for a choice")->required();
  add_task_arguments(app, a.task);
  app.add_option("-o,--out", a.out, "Model folder to write")->required();
  app.add_flag("--force", a.force, "Replace the model that OUT holds already; never one that is read");
  app.add_option("--work", a.work, "Folder for checkpoints; a re-run resumes from it (default: OUT.work)");
  app.add_option("--teacher", a.teacher, teacher_help);
  bound_option(app.add_option("--augment", a.variants, variants_help), 0, 1e7);
  app.add_option("--device", a.device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  app.add_option("--threads", a.threads, "CPU threads (default: all)")->check(CLI::Range(1, 1024));
  bound_option(app.add_option("--seed", a.seed, "Seed of every random choice")->capture_default_str(), 0, 1e18);
  bound_option(
      app.add_option("--held-out", a.held_out,
                     "Training examples set aside to choose epochs (default: 2000, or a tenth of a smaller file)"),
      1, 1e6);
  app.add_option("--max-length", a.max_length, "Tokens per example at most")
      ->check(CLI::Range(8, 512))
      ->capture_default_str();
  app.add_flag(
      "--quick", a.quick,
      "A first impression in minutes: few steps in every stage, whatever other options say of epochs and steps");
  app.add_flag("-q,--quiet", a.quiet, "No progress on stderr");
}

int parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    cli::refuse_empty_values(app);
    return -1;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    throw Error(ErrorCode::usage, std::string(e.what()) + " (see --help)");
  }
}

// The default of --work, and that nothing which is read would be written over.
void settle_outputs(CommonArguments& a, std::vector<InputPath> inputs) {
  if (a.work.empty()) {
    std::string name = a.out.string();
    while (name.size() > 1 && name.back() == '/') name.pop_back();
    a.work = name + ".work";
  }
  inputs.push_back({"the training data", a.train});
  inputs.push_back({"the evaluation data", a.dev});
  inputs.push_back({"the teacher", a.teacher});
  check_output(a.outputs(), inputs);
}

}  // namespace

void add_convert_options(CLI::App& app, ConvertArguments& a) {
  app.add_option("MODEL_DIR", a.model, "Plain model: config.json, model.safetensors or pytorch_model.bin, vocab.txt")
      ->required();
  add_common_options(
      app, a, "A larger fine-tuned model with the same vocabulary to distil from (default: MODEL_DIR)",
      "Variants of training examples for the teacher to label (default: as many as make " +
          std::to_string(kEnoughExamples) + " examples, none for masked-rounds, which makes its own; for one-round " +
          std::to_string(kEnoughForPolynomials) + ", of which an epoch sees " + std::to_string(kEnoughExamples) + ")");
  app.add_option("--profile", a.profile, "paper: THE-X as published, without a teacher; default: what loses least")
      ->check(CLI::IsMember({"paper", "default"}))
      ->capture_default_str();
  std::string protocols;
  std::vector<std::string> names;
  for (const model::ProtocolRow& row : model::protocols()) {
    names.emplace_back(row.name);
    protocols += std::string(row.name) + ": " + row.summary + "; ";
  }
  protocols.resize(protocols.size() - 2);
  app.add_option(
         "--protocol", a.protocol,
         protocols +
             " (default: one-round up to three layers that fit, else masked-rounds; with --profile paper the-x)")
      ->check(CLI::IsMember(names));
  app.add_option("--texts", a.texts,
                 "More texts without labels, one a line (pairs with a tab between), for masked-rounds to learn the "
                 "plain model's states from")
      ->check(CLI::ExistingFile);
  app.add_flag("--backbone", a.backbone,
               "MODEL_DIR is an encoder without a head: fine-tune it on the task first (kept as WORK/plain)");
  add_options(app, fine_tune_option_rows(), a.plain, "plain-");
  add_options(app, workflow_option_rows(), a.workflow);
}

void add_make_plain_options(CLI::App& app, MakePlainArguments& a) {
  a.plain.student.max_positions = 128;
  a.plain.teacher.fresh_pooler = true;
  app.add_option("BACKBONE_DIR", a.backbone, "Pre-trained BERT-family encoder with embeddings")->required();
  add_common_options(app, a,
                     "A model with the backbone's vocabulary that is fine-tuned on the task already (default: the "
                     "backbone, fine-tuned first and kept as WORK/teacher)",
                     "Variants of training examples for the teacher to label (default: none)");
  add_options(app, student_shape_rows(), a.plain.student);
  add_options(app, plain_option_rows(), a.plain);
  add_options(app, fine_tune_option_rows(), a.plain.teacher, "teacher-");
  CLI::Option* const start = app.add_option(
      "--start", a.start,
      "A plain model of the student's vocabulary to start from, of another task; its shape is the student's");
  for (const char* shape : {"--layers", "--hidden", "--heads", "--ffn"}) start->excludes(shape);
  app.add_flag("--labels-only", a.labels_only, "No teacher: train the student on the labels alone")
      ->excludes("--teacher");
}

int parse_convert(int argc, char** argv, ConvertArguments& a) {
  CLI::App app{"Turns a fine-tuned BERT-family model into an HE-friendly one (THE-X)", "thex convert"};
  app.footer("thex convert make-plain --help: a small plain model distilled from a larger encoder\n\n" +
             cli::exit_status_help());
  add_convert_options(app, a);
  if (const int status = parse(app, argc, argv); status >= 0) return status;
  a.given = given_options(app, workflow_option_rows());
  const bool paper = a.profile == "paper";
  if (paper && (a.variants.value_or(0) > 0 || a.given.count("hard") || !a.teacher.empty()))
    throw Error(ErrorCode::usage, "--profile paper has no teacher: leave out --teacher, --hard and --augment");
  if (a.backbone && !a.teacher.empty())
    throw Error(ErrorCode::usage, "--backbone makes the teacher itself: leave out --teacher");
  a.workflow.profile = paper ? Profile::paper : Profile::standard;
  a.workflow.protocol = paper ? model::Protocol::the_x : model::Protocol::one_round;
  if (a.protocol) a.workflow.protocol = model::protocol_named(*a.protocol).value();
  a.workflow.seed = a.plain.seed = a.seed;
  settle_outputs(a, {{"the model", a.model}});
  return -1;
}

int parse_make_plain(int argc, char** argv, MakePlainArguments& a) {
  CLI::App app{"Makes a plain BERT-tiny-shaped model of a task: fine-tunes a larger encoder and distils it",
               "thex convert make-plain"};
  app.footer(cli::exit_status_help());
  add_make_plain_options(app, a);
  if (const int status = parse(app, argc, argv); status >= 0) return status;
  a.given = given_options(app, plain_option_rows());
  const model::ModelConfig& student = a.plain.student;
  if (student.hidden % student.heads != 0)
    throw Error(ErrorCode::usage, "--heads " + std::to_string(student.heads) + " does not divide --hidden " +
                                      std::to_string(student.hidden));
  a.plain.seed = a.plain.teacher.seed = a.seed;
  settle_outputs(a, {{"the backbone", a.backbone}, {"the model to start from", a.start}});
  return -1;
}

}  // namespace thex::convert
