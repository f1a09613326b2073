#include "thex/convert/command_arguments.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "thex/convert/report/report.h"

namespace thex::convert {
namespace {

// The names of all options of both commands.
std::set<std::string> known_options() {
  std::set<std::string> known;
  ConvertArguments convert;
  MakePlainArguments plain;
  CLI::App first, second;
  add_convert_options(first, convert), add_make_plain_options(second, plain);
  for (const CLI::App* app : {&first, &second})
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) known.insert("--" + name);
  return known;
}

std::set<std::string> options_in(const std::string& text) {
  std::set<std::string> found;
  const std::regex option("--[a-z][a-z-]*[a-z]");
  for (std::sregex_iterator it(text.begin(), text.end(), option), end; it != end; ++it) found.insert(it->str());
  return found;
}

TEST(Options, EveryOneThatAMessageNamesExists) {
  std::set<std::string> known = known_options();
  known.insert("--mode");  // of thex eval, which the advice names with its command
  std::size_t seen = 0;
  for (const std::string folder : {"", "/report"})
    for (const auto& entry : std::filesystem::directory_iterator(THEX_SOURCE_DIR "/thex/convert" + folder)) {
      const std::string name = entry.path().filename();
      if (!name.ends_with(".cc") || name.ends_with("_test.cc") || name == "report_html.cc") continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      for (const std::string& option : options_in(text.str())) {
        EXPECT_TRUE(known.count(option)) << name << " names " << option;
        ++seen;
      }
    }
  EXPECT_GT(seen, 20u);
}

TEST(Options, HelpSaysWhatTheExitStatusesMean) {
  const char* const words[] = {"thex-convert", "--help"};
  char* argv[] = {const_cast<char*>(words[0]), const_cast<char*>(words[1]), nullptr};
  ConvertArguments convert;
  MakePlainArguments plain;
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse_convert(2, argv, convert), 0);
  EXPECT_NE(testing::internal::GetCapturedStdout().find("Exit status: 0 success"), std::string::npos);
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse_make_plain(2, argv, plain), 0);
  EXPECT_NE(testing::internal::GetCapturedStdout().find("Exit status: 0 success"), std::string::npos);
}

TEST(Options, EveryAdviceFitsItsProfile) {
  ConversionReport r;
  r.metrics = {"accuracy"};
  r.data = {.train = 100, .held_out = 10, .dev = 50};
  r.stages = {{"plain", "", {{"accuracy", 90}}, {{"accuracy", 90}}},
              {"final", "", {{"accuracy", 50}}, {{"accuracy", 50}}}};
  const std::set<std::string> known = known_options();
  for (const model::ProtocolRow& row : model::protocols())
    for (const char* profile : {"default", "paper"})
      for (const char* backbone : {"no", "yes"}) {
        if (profile == std::string("paper") && row.protocol != model::Protocol::the_x) continue;
        r.options = {{"profile", profile}, {"protocol", row.name}, {"backbone", backbone}, {"quick", "yes"}};
        std::string advice;
        for (const std::string& step : judge(r).steps) advice += step + "\n";
        WorkflowOptions o;
        o.protocol = row.protocol;
        o.profile = profile == std::string("paper") ? Profile::paper : Profile::standard;
        for (const std::string& option : options_in(advice)) {
          EXPECT_TRUE(known.count(option)) << option;
          for (const auto& one : workflow_option_rows()) {
            if (flag_of(one.name) == option) EXPECT_NO_THROW(require_read(o, {one.name})) << advice;
          }
        }
        EXPECT_NE(advice.find("--quick"), std::string::npos);
        // What the command line refuses together is not advised.
        const bool paper = std::string(profile) == "paper";
        const bool deep = row.protocol == model::Protocol::masked_rounds;
        EXPECT_EQ(advice.find("--augment") == std::string::npos, paper || deep) << advice;
        EXPECT_EQ(advice.find("--texts") == std::string::npos, !deep) << advice;
        EXPECT_EQ(advice.find("--teacher") == std::string::npos, paper || std::string(backbone) == "yes") << advice;
      }
}

TEST(Options, DefaultsSuitTheProfile) {
  WorkflowOptions typed;
  typed.protocol = model::Protocol::one_round;
  const WorkflowOptions small = suited_options(typed, {}, {.hidden = 128, .examples = 100});
  EXPECT_EQ(small.learning_rate, 6e-4);
  EXPECT_EQ(small.embedding_rate, 6e-4);
  EXPECT_EQ(small.affine_rate, 0.3);
  EXPECT_EQ(small.score_limit, 6);
  EXPECT_EQ(small.batch_size, 32u);
  const WorkflowOptions wide = suited_options(typed, {}, {.hidden = 384, .examples = 20000});
  EXPECT_EQ(wide.learning_rate, 5e-5);
  EXPECT_EQ(wide.affine_rate, 0.75);
  EXPECT_EQ(wide.batch_size, 64u);
  typed.protocol = model::Protocol::masked_rounds;
  const WorkflowOptions deep = suited_options(typed, {}, {.hidden = 384, .examples = 3000, .tokens = 53});
  EXPECT_EQ(deep.learning_rate, 5e-5);
  EXPECT_EQ(deep.embedding_rate, 0);
  EXPECT_EQ(deep.batch_size, 9u);
  EXPECT_EQ(deep.final_steps, 4000);
  typed.protocol = model::Protocol::the_x, typed.profile = Profile::paper;
  typed.learning_rate = 1e-3;
  const WorkflowOptions paper = suited_options(typed, {"rate"}, {.hidden = 768, .examples = 100});
  EXPECT_EQ(paper.learning_rate, 1e-3);
  EXPECT_EQ(paper.embedding_rate, 1e-3) << "follows the rate";
  EXPECT_EQ(paper.dropout, 0.1);
  EXPECT_EQ(paper.score_limit, 3);
}

// What was given is read or refused; "--sample" is read by all.
TEST(Options, AreRefusedWhereTheyAreNotRead) {
  const auto refused = [](model::Protocol protocol, Profile profile) {
    WorkflowOptions o;
    o.protocol = protocol;
    o.profile = profile;
    std::set<std::string> unread;
    for (const auto& row : workflow_option_rows()) {
      try {
        require_read(o, {row.name, "sample"});
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::usage);
        EXPECT_NE(std::string(e.what()).find(flag_of(row.name)), std::string::npos) << e.what();
        unread.insert(row.name);
      }
    }
    return unread;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(refused(model::Protocol::the_x, Profile::paper), (Names{"states"}));
  EXPECT_EQ(refused(model::Protocol::the_x, Profile::standard), (Names{"states", "norm_rate"}));
  EXPECT_EQ(refused(model::Protocol::one_round, Profile::standard), (Names{"states", "norm_rate", "estimation_steps"}));
  const Names deep = refused(model::Protocol::masked_rounds, Profile::standard);
  for (const char* name : {"min_steps", "norm_rate", "estimation_steps", "dropout", "range_weight"})
    EXPECT_TRUE(deep.count(name)) << name;
  for (const char* name : {"states", "final_steps", "rate", "hard", "batch"}) EXPECT_FALSE(deep.count(name)) << name;
}

TEST(Options, ThereIsARowForEveryMember) {
  // Profile, protocol and seed are no numbers of the list.
  std::set<std::string> texts;
  WorkflowOptions o;
  texts.insert(describe(o));
  for (const auto& row : workflow_option_rows()) {
    WorkflowOptions other;
    std::visit([&](auto member) { other.*member += 1; }, row.member);
    EXPECT_TRUE(texts.insert(describe(other)).second) << row.name;
  }
  o.seed = 9;
  EXPECT_TRUE(texts.insert(describe(o)).second);
  EXPECT_EQ(report_rows(o).size(), workflow_option_rows().size() + 2);
  // The members, counted by their size: a new one without a row is found here.
  EXPECT_EQ(sizeof(WorkflowOptions), 8 + 4 * 4 + 8 * 2 + 4 * 2 + 8 * 4 + 8 * 2 + 8 * 11 + 8 + 8 * 4);
}

TEST(Options, AreBoundedAndReadBack) {
  const auto parse_with = [](const std::vector<std::string>& more) {
    ConvertArguments a;
    CLI::App app;
    add_convert_options(app, a);
    std::vector<std::string> all = {"model", "--train", "t.tsv", "--dev", "d.tsv", "-o", "out"};
    all.insert(all.end(), more.begin(), more.end());
    std::reverse(all.begin(), all.end());
    app.parse(all);
    a.given = given_options(app, workflow_option_rows());
    return a;
  };
  const ConvertArguments a = parse_with({"--rate", "1e-3", "--norm-group", "2", "--plain-epochs", "3"});
  EXPECT_EQ(a.workflow.learning_rate, 1e-3);
  EXPECT_EQ(a.workflow.norm_group, 2);
  EXPECT_EQ(a.plain.epochs, 3);
  EXPECT_EQ(a.given, (std::set<std::string>{"rate", "norm_group"}));
  struct Wrong {
    std::string option, value, range;
  };
  for (const Wrong& w :
       std::vector<Wrong>{{"--rate", "0", "a number between 0 (not included) and 10"},
                          {"--rate", "nan", "a number between 0 (not included) and 10"},
                          {"--rate", "fast", "a number between 0 (not included) and 10"},
                          {"--hard", "2", "a number between 0 and 1"},
                          {"--dropout", "0.95", "a number between 0 and 0.9"},
                          {"--temperature", "0", "a number between 0 (not included) and 1000"},
                          {"--epochs", "0", "a whole number between 1 and 1000"},
                          {"--epochs", "1.5", "a whole number between 1 and 1000"},
                          {"--min-steps", "1e3", "a whole number between 1 and 1000000"},
                          {"--plain-epochs", "-1", "a whole number between 0 and 1000"},
                          {"--augment", "-5", "a whole number between 0 and 10000000"},
                          {"--augment", "99999999999999999999", "a whole number between 0 and 10000000"},
                          {"--held-out", "0", "a whole number between 1 and 1000000"},
                          {"--seed", "-1", "a whole number between 0 and 1000000000000000000"},
                          {"--max-length", "7", "8 to 512"},
                          {"--threads", "0", "1 to 1024"}}) {
    try {
      parse_with({w.option, w.value});
      ADD_FAILURE() << w.option << ' ' << w.value;
    } catch (const CLI::ParseError& error) {
      for (const std::string& part : {w.option, w.value, w.range})
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << " in: " << error.what();
    }
  }
  EXPECT_THROW(parse_with({"--max-steps", "3"}), CLI::ParseError) << "set by the program, not by the user";
  EXPECT_EQ(number_text(0.0006), "0.0006");
  EXPECT_EQ(std::stod(number_text(1.0 / 3)), 1.0 / 3);
}

}  // namespace
}  // namespace thex::convert
