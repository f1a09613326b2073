#include "thex/convert/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/support/temporary_folder.h"
#include "thex/base/file.h"
#include "thex/convert/report/report_markup.h"

namespace thex::convert {
namespace {

using nlohmann::json;

constexpr const char* kHostile = "<b>&\"'</td><script>alert(1)</script>\x01\xff";

model::ModelConfig small_config() {
  model::ModelConfig c;
  c.layers = 1, c.hidden = 64, c.heads = 1, c.ffn = 64, c.vocab = 10, c.max_positions = 16;
  c.activation = model::Activation::relu, c.pooler = false, c.labels = {"negative", "positive"};
  c.thex = model::HeSection{
      .softmax = model::Softmax::estimation, .norm = model::Norm::affine, .max_relu_input = 40, .max_logit = 40};
  return c;
}

ConversionReport sample(const std::string& text = "sst2") {
  ConversionReport r;
  r.name = "model " + text, r.source = "plain/" + text;
  r.config = small_config();
  r.config.labels.push_back(text);
  r.task = text;
  r.metrics = {"accuracy", "f1"};
  r.data = {.train = 67349,
            .held_out = 1000,
            .dev = 872,
            .held_out_long = 100,
            .dropped = 3,
            .augmented = 20,
            .empty = 4,
            .skipped_empty = 2};
  r.positive_label = "positive " + text;
  r.options = {{"epochs", "3"}, {text, text}};
  r.seed = 7;
  const auto stage = [&](const std::string& name, double dev, double held_out) {
    r.stages.push_back({name,
                        "what " + text,
                        {{"accuracy", held_out}, {"f1", held_out - 1}},
                        {{"accuracy", dev}, {"f1", dev - 1}},
                        held_out - 5,
                        12.5});
  };
  stage("plain", 84.0, 86.0), stage("relu " + text, 83.5, 85.8), stage("norms", 82.9, 84.0);
  for (int i = 0; i < 6; ++i)
    r.curves.push_back({i < 3 ? "relu " + text : "norms", i % 3 + 1, 0.5 / (i + 1), 80.0 + i, i == 4 ? 2 : 0});
  for (int layer = 0; layer < 2; ++layer) {
    for (const std::string& point : {std::string("score u"), std::string("FFN"), text})
      r.ranges.push_back({layer, point, 1.5, 20, 0.9, 4, 9});
  }
  r.max_relu_input = 40, r.max_logit = 6;
  r.unseen = UnseenRanges{1872, 0.93, "layer 1, " + text, 1.5};
  r.estimation = EstimationFit{0.1, 60, 1e-4, 2e-5, 3e-5, 0.2};
  r.reference_metric = 82.9, r.reference_difference = 1e-5;
  r.seconds = 4000;
  r.verdict = judge(r);
  return r;
}

// Every tag is closed in the right order, attributes are in quotes, and no text holds a bare '<' or '&'. Returns what
// is wrong, or nothing.
std::string ill_formed(std::string html) {
  html = std::regex_replace(html, std::regex("^<!DOCTYPE html>\n"), "");
  const std::regex tag(R"re(^<(/?)([a-zA-Z0-9]+)((?: [a-zA-Z0-9-]+(?:)re"
                       R"re(="[^"<]*"))*)(/?)>)re");
  const std::regex reference("^&(amp|lt|gt|quot|#39);");
  std::vector<std::string> open;
  for (std::size_t at = 0; at < html.size();) {
    std::smatch match;
    const std::string rest = html.substr(at, 3000);
    if (html[at] == '&') {
      if (!std::regex_search(rest, match, reference)) return "a bare & at " + rest.substr(0, 40);
      at += static_cast<std::size_t>(match.length());
    } else if (html[at] == '<') {
      if (!std::regex_search(rest, match, tag)) return "no tag at " + rest.substr(0, 40);
      if (match[1].length() > 0) {
        if (open.empty() || open.back() != match[2]) return "closes " + match[2].str() + " at " + rest.substr(0, 40);
        open.pop_back();
      } else if (match[4].length() == 0) {
        open.push_back(match[2]);
      }
      at += static_cast<std::size_t>(match.length());
    } else if (html[at] == '>' && (open.empty() || open.back() != "style")) {
      return "a bare > at " + rest.substr(0, 40);
    } else {
      ++at;
    }
  }
  return open.empty() ? "" : "never closes " + open.back();
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(ReportMarkup, EscapesEverythingThatMarkupOrUtf8Forbids) {
  EXPECT_EQ(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escaped("l\xc3\xa4ngs \xf0\x9f\x99\x82"), "l\xc3\xa4ngs \xf0\x9f\x99\x82");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(escaped(std::string("\x00\x1b", 2)), bad + bad);
  EXPECT_EQ(escaped("\xc3"), bad);                      // cut off
  EXPECT_EQ(escaped("\xc0\xbc"), bad + bad);            // '<' in two bytes
  EXPECT_EQ(escaped("\xed\xa0\x80"), bad + bad + bad);  // a surrogate
}

TEST(ReportHtml, TheCheckerOfThisTestFindsMistakes) {
  EXPECT_EQ(ill_formed("<p a=\"b\">x &amp; y<br/></p>"), "");
  for (const char* wrong : {"<p>", "</p>", "<p><b></p></b>", "a & b", "a < b", "a > b", "<p a=b></p>"})
    EXPECT_NE(ill_formed(wrong), "") << wrong;
}

TEST(ReportHtml, IsWellFormedAndSelfContained) {
  ConversionReport r = sample();
  r.plan = budget_of(small_config(), encoder::plan_inference(small_config(), 16));
  const std::string html = report_html(r);
  EXPECT_EQ(ill_formed(html), "");
  for (const char* outside : {"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  for (const char* section : {"Stages", "Learning curves", "Sizes of intermediate values", "Softmax estimation",
                              "Under encryption", "Who learns what", "How it was made"})
    EXPECT_NE(html.find(section), std::string::npos) << section;
  EXPECT_EQ(count(html, "<svg"), 4u);  // two curves, two layers
  EXPECT_EQ(count(html, "norms: epoch 2 diverged and was begun again at half the rate, 2 times."), 1u);
  EXPECT_EQ(count(html, "class=\"dot\""), 12u);
  for (const encoder::LedgerEntry& entry : r.plan->ledger)
    EXPECT_NE(html.find(escaped(entry.what)), std::string::npos) << entry.what;
}

TEST(ReportHtml, EscapesEveryString) {
  ConversionReport r = sample(kHostile);
  r.metrics.push_back(kHostile);
  for (ReportStage& s : r.stages) s.dev[kHostile] = 1;
  r.verdict.summary = kHostile, r.verdict.metric = kHostile;
  r.verdict.steps = {kHostile};
  r.plan = PlanBudget{};
  r.plan->protocol = r.plan->fingerprint = kHostile;
  r.plan->ledger = {{kHostile, kHostile}};
  const std::string html = report_html(r);
  EXPECT_EQ(ill_formed(html), "");
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  EXPECT_GT(count(html, "&lt;b&gt;&amp;&quot;&#39;"), 15u);
  EXPECT_FALSE(json::parse(report_json(r)).empty());
}

// A model of polynomials has no ReLU, no network T and no client that decrypts anything but logits.
TEST(Report, OfOneRoundSpeaksOfWhatItHas) {
  ConversionReport r = sample();
  r.config.activation = model::Activation::square;
  r.config.thex->softmax = model::Softmax::power;
  r.max_relu_input = 0;
  r.estimation.reset();
  r.stages.back().dev["accuracy"] = 60;
  for (std::size_t i = 1; i < r.stages.size(); ++i) r.stages[i].name = "stage";
  r.verdict = judge(r);
  const json j = json::parse(report_json(r));
  EXPECT_FALSE(j.contains("max_relu_input"));
  EXPECT_FALSE(j.contains("softmax_estimation"));
  const std::string html = report_html(r);
  EXPECT_EQ(html.find("ReLU input"), std::string::npos);
  EXPECT_EQ(html.find("Softmax estimation"), std::string::npos);
  EXPECT_NE(html.find("logits alone, of which the largest is 6"), std::string::npos);
  for (const std::string& step : judge(r).steps)
    EXPECT_EQ(step.find("the-x"), std::string::npos) << "nobody is advised to show more: " << step;
  // The other protocol's page says what its client sees.
  EXPECT_NE(report_html(sample()).find("the largest ReLU input is 40"), std::string::npos);
}

TEST(Report, SaysWhyAModelCannotBeServed) {
  ConversionReport r = sample();
  r.no_plan = "no 128-bit secure parameters";
  EXPECT_NE(report_html(r).find("cannot be served as it is: no 128-bit"), std::string::npos);
  EXPECT_EQ(json::parse(report_json(r))["no_plan"], r.no_plan);
}

TEST(ReportHtml, SurvivesWhatWasNotMeasured) {
  EXPECT_EQ(ill_formed(report_html(ConversionReport{})), "");
  ConversionReport r = sample();
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (CurvePoint& p : r.curves) p.loss = nan, p.held_out = 80;
  for (ReportRange& range : r.ranges) range = {range.layer, range.point, nan, inf, 0, 0, 0};
  r.stages[1].dev["accuracy"] = nan;
  r.verdict = judge(r);
  const std::string html = report_html(r);
  EXPECT_EQ(ill_formed(html), "");
  EXPECT_EQ(html.find(">nan"), std::string::npos);
  EXPECT_TRUE(json::parse(report_json(r))["learning_curves"][0]["loss"].is_null());
}

TEST(ReportJson, HoldsEveryField) {
  ConversionReport r = sample();
  r.plan = budget_of(small_config(), encoder::plan_inference(small_config(), 16));
  const json j = json::parse(report_json(r));
  EXPECT_EQ(j["name"], "model sst2");
  EXPECT_EQ(j["seed"], 7);
  EXPECT_GT(j["plan"]["peak_memory_bytes"], j["plan"]["keys"]["memory_bytes"]);
  EXPECT_EQ(j["examples"]["dev"], 872);
  EXPECT_EQ(j["examples"]["augmented"], 20);
  EXPECT_EQ(j["examples"]["empty"], 4);
  EXPECT_EQ(j["examples"]["skipped_empty"], 2);
  EXPECT_EQ(j["positive_label"], "positive sst2");
  ASSERT_EQ(j["stages"].size(), 3u);
  EXPECT_EQ(j["stages"][2]["dev"]["accuracy"], 82.9);
  EXPECT_EQ(j["stages"][2]["seconds"], 12.5);
  ASSERT_EQ(j["learning_curves"].size(), 6u);
  EXPECT_EQ(j["learning_curves"][4]["epoch"], 2);
  EXPECT_EQ(j["learning_curves"][4]["restarts"], 2);
  ASSERT_EQ(j["ranges"].size(), 6u);
  EXPECT_EQ(j["ranges"][5]["p999"], 9);
  EXPECT_EQ(j["unseen_ranges"]["examples"], 1872);
  EXPECT_EQ(j["unseen_ranges"]["ratio"], 0.93);
  EXPECT_EQ(j["softmax_estimation"]["max_sum"], 60);
  EXPECT_EQ(j["reference"]["dev"], 82.9);
  EXPECT_EQ(j["options"]["epochs"], "3");
  EXPECT_EQ(j["verdict"]["level"], "within_noise");
  EXPECT_EQ(j["plan"]["parameters"]["log_n"], r.plan->log_n);
  EXPECT_GT(j["plan"]["buckets"][0]["weight_bytes"], 0);
  EXPECT_GT(j["plan"]["keys"]["wire_bytes"], 0);
  EXPECT_FALSE(j["plan"]["ledger"].empty());
  EXPECT_EQ(json::parse(j.dump()), j);
}

Verdict verdict_of(double before, double after, std::size_t dev) {
  ConversionReport r = sample();
  r.data.dev = dev;
  r.stages.front().dev["accuracy"] = before;
  r.stages.back().dev["accuracy"] = after;
  return judge(r);
}

TEST(Verdict, ComparesTheDropWithTheNoiseOfTheDevSet) {
  EXPECT_EQ(verdict_of(84, 84.5, 872).level, Verdict::Level::good);
  const Verdict noise = verdict_of(84, 83, 872);
  EXPECT_EQ(noise.level, Verdict::Level::within_noise);
  EXPECT_NEAR(noise.standard_error, 100 * std::sqrt(0.83 * 0.17 / 872), 1e-9);
  EXPECT_DOUBLE_EQ(noise.drop, 1);
  EXPECT_EQ(verdict_of(84, 83, 100000).level, Verdict::Level::small_loss);
  const Verdict large = verdict_of(90, 80, 872);
  EXPECT_EQ(large.level, Verdict::Level::large_loss);
  EXPECT_NE(large.summary.find("10.00 points"), std::string::npos) << large.summary;
  ASSERT_FALSE(large.steps.empty());
  EXPECT_NE(large.steps[0].find("'norms'"), std::string::npos) << large.steps[0];  // where most was lost
  // A stage whose loss a later one brings back is not to blame.
  ConversionReport r = sample();
  r.stages[0].dev["accuracy"] = 99;
  r.stages[1].held_out["accuracy"] = 50;
  EXPECT_NE(judge(r).steps.at(0).find("'relu sst2'"), std::string::npos) << judge(r).steps[0];
  r.stages[2].held_out["accuracy"] = 85.9;
  EXPECT_EQ(judge(r).steps.at(0).find("Most was lost"), std::string::npos) << judge(r).steps[0];
}

TEST(Verdict, AModelThatAlwaysSaysTheSameIsNoMeasure) {
  ConversionReport r = sample();
  r.stages[0].dev_one_answer = true;
  EXPECT_EQ(judge(r).level, Verdict::Level::unknown);
  EXPECT_NE(judge(r).summary.find("the same label"), std::string::npos) << judge(r).summary;
  ASSERT_FALSE(judge(r).steps.empty());
  EXPECT_NE(judge(r).steps[0].find("Fine-tune the plain model"), std::string::npos) << judge(r).steps[0];
}

TEST(Verdict, UsesWhatWasMeasured) {
  ConversionReport r = sample();
  r.dev_standard_error = 0.2;
  EXPECT_EQ(judge(r).standard_error, 0.2);
  EXPECT_EQ(judge(r).level, Verdict::Level::small_loss);
  EXPECT_FALSE(judge(r).agreement);
  r.dev_agreement = 91.25;
  EXPECT_EQ(judge(r).agreement, 91.25);
  EXPECT_NE(judge(r).summary.find("decides 91.25 % as the plain model does"), std::string::npos) << judge(r).summary;
  r.data.dev = 0;
  EXPECT_EQ(judge(r).set, "held-out");
  EXPECT_DOUBLE_EQ(judge(r).before, 86);
  r.stages[0].dev_one_answer = true;  // of a set that is not judged
  EXPECT_NE(judge(r).level, Verdict::Level::unknown);
  r.metrics = {"pearson"};
  EXPECT_EQ(judge(r).level, Verdict::Level::unknown);
  r.stages.resize(1);
  EXPECT_EQ(judge(r).level, Verdict::Level::unknown);
}

}  // namespace
}  // namespace thex::convert
