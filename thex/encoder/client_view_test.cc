// What a client of masked-rounds is sent for refreshed values, looked at with its secret key, is the same whatever the
// weights: a loud model, with values as large as calibration found them, beside a quiet one, with hardly any. The same
// looks find what a refresh shows that lacks a part of what hides the values (tests/support/refresh_seam.h).
//
// A batch of a model with as many features as two ciphertexts hold for all its tokens: what is refreshed are pairs, one
// group of features in the real parts and one in the imaginary ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/ckks.h"
#include "tests/support/coefficients.h"
#include "tests/support/encoder_circuits.h"
#include "tests/support/refresh_seam.h"
#include "tests/support/statistics.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/encoder/calibration.h"

namespace thex::encoder {
namespace {

using support::append;
using support::Refreshed;
using support::RefreshSeam;
using support::Weakening;
using support::Wide;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Masks come from the system's generator, so honest scores vary as standard normal ones do: beyond 8 deviations with
// probability 2^-49.
constexpr double kFound = 8;

// What is looked at.
constexpr char kAgainstCircuit[] = "second halves less those of the circuit";
constexpr char kTwoRuns[] = "second halves less those of another run";
constexpr char kUniform[] = "masked values, whether they are uniform";
constexpr char kTwoModels[] = "masked values of two models";
constexpr char kValues[] = "masked values beside the values";
constexpr char kNoise[] = "masked values beside the noise";

constexpr int kTokens = 16, kLength = 11;  // a place of the batch, and the text in it
constexpr int kDraws = 6;                  // of masks for the values of one run
constexpr Wide kWindow = Wide{1} << 20;    // far above the noise's size

// Beside the texts that all run on.
struct Subject {
  InferencePlan plan;
  std::size_t program = 0;  // the batch
  std::shared_ptr<const circuit::CkksCircuit> prepared;
  std::vector<std::vector<Wide>> clear;  // of each refreshed value the integers that it has without noise
};

// Of all coefficients of all values that were refreshed, one after the other.
struct View {
  std::vector<double> masked;           // the decrypted integer's place in the interval of the masks, from 0 to 1
  std::vector<double> values;           // the integer under the mask
  std::vector<double> noise;            // what of that is noise
  std::vector<double> window;           // the decrypted integer less the one without noise, modulo kWindow
  std::vector<double> against_circuit;  // c_1 less the circuit's, in parts of q_0 q_1
  std::vector<double> two_runs;         // c_1 of one run less that of another, of what both have computed alike

  void add(const View& other) {
    for (const auto part :
         {&View::masked, &View::values, &View::noise, &View::window, &View::against_circuit, &View::two_runs})
      append(this->*part, other.*part);
  }
};

class ClientView : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model::ModelConfig config = support::config_of({2, 128, 2, 16, 2});
    config.activation = model::Activation::square;
    config.thex = model::HeSection{
        .softmax = model::Softmax::power, .norm = model::Norm::affine, .max_relu_input = 10, .max_logit = 10};
    model::Model model = support::calm_polynomial_model(config, 5);
    std::vector<std::vector<double>> texts;
    for (const unsigned seed : {9U, 10U, 11U}) {
      const std::vector<std::int32_t> ids = support::random_ids(kLength, seed);
      texts.push_back(embed(model, ids, std::vector<std::int32_t>(ids.size(), 0)));
    }
    calibrate(model, texts);
    fill_batch(model, texts);
    loud_ = subject(model);
    for (auto& [name, tensor] : model.tensors)
      if (name.starts_with("encoder."))
        for (float& value : tensor.data) value *= 0x1p-8f;
    quiet_ = subject(model);
    ASSERT_EQ(loud_->plan.fingerprint, quiet_->plan.fingerprint) << "one plan, which the sizes in config.json decide";
    ring::Prng prng;
    const circuit::Plan& plan = loud_->plan.circuits;
    key_ = std::make_unique<const ckks::secret::SecretKey>(ckks::secret::SecretKey::generate(plan.context, prng));
    keys_ = std::make_shared<const ckks::EvaluationKeys>(ckks::secret::make_evaluation_keys(*key_, plan.keys, prng));
    question_ = expanded(client().first(batch_));
  }
  static void TearDownTestSuite() {
    question_.clear();
    keys_.reset();
    key_.reset();
    quiet_.reset();
    loud_.reset();
  }

  static PlanRequest request() {
    PlanRequest request(kTokens);
    request.protocol = model::Protocol::masked_rounds;
    return request;
  }
  // The texts over and over in all places of the batch but the last one, which is empty.
  static void fill_batch(const model::Model& model, const std::vector<std::vector<double>>& texts) {
    const InferencePlan plan = plan_inference(model.config, request());
    const auto places = static_cast<std::size_t>(plan.shapes.at(plan.batch_program_for(2, kTokens)).sentences);
    const std::size_t padded = static_cast<std::size_t>(kTokens) * static_cast<std::size_t>(model.config.hidden);
    batch_.assign(places * padded, 0.0);
    lengths_.assign(places, 0);
    for (std::size_t place = 0; place + 1 < places; ++place) {
      std::ranges::copy(texts[place % texts.size()], batch_.begin() + static_cast<std::ptrdiff_t>(place * padded));
      lengths_[place] = kLength;
    }
  }
  static std::unique_ptr<const Subject> subject(const model::Model& model) {
    auto s = std::make_unique<Subject>();
    s->plan = plan_inference(std::make_shared<const model::Model>(model), request());
    s->program = s->plan.batch_program_for(2, kTokens);
    const circuit::Plan& plan = s->plan.circuits;
    const circuit::Program& program = plan.programs[s->program];
    const circuit::ProgramPlan& levels = plan.program_plans[s->program];
    s->prepared = std::make_shared<const circuit::CkksCircuit>(plan.context, program, levels);
    const auto slots = circuit::trace_clear(program, batch_, lengths_);
    const ckks::Encoder encoder(plan.context);
    for (const circuit::ClientStep& step : program.steps)
      for (const circuit::NodeId node : step.refreshed) {
        EXPECT_EQ(slots[node].size(), 2 * program.slots) << "two groups of features as a pair";
        s->clear.push_back(support::coefficients(
            *plan.context, encode_pair(encoder, slots[node], plan.context->scale(levels.scale_level[node])).poly));
      }
    return s;
  }
  // Of values that are real parts and then imaginary ones.
  static ckks::Plaintext encode_pair(const ckks::Encoder& encoder, const std::vector<double>& values, double scale) {
    const std::size_t slots = values.size() / 2;
    std::vector<std::complex<double>> pairs(slots);
    for (std::size_t i = 0; i < slots; ++i) pairs[i] = {values[i], values[slots + i]};
    return encoder.encode_full(std::span<const std::complex<double>>(pairs), ckks::kRefreshLevel, scale);
  }

  static const ckks::Context& context() { return *loud_->plan.circuits.context; }
  static circuit::ClientTurn client() { return {loud_->plan.circuits, loud_->program, *key_, lengths_, 2}; }
  static std::vector<ckks::Ciphertext> expanded(const std::vector<ckks::SeededCiphertext>& seeded) {
    const ckks::Evaluator evaluator(loud_->plan.circuits.context);
    std::vector<ckks::Ciphertext> all;
    for (const ckks::SeededCiphertext& c : seeded) all.push_back(evaluator.expand(c));
    return all;
  }

  // Always on the same ciphertexts. `lie`: the client adds it to all slots of the first value that it refreshes.
  static std::vector<Refreshed> run(const Subject& subject, RefreshSeam& seam, double lie = 0) {
    const circuit::ClientTurn honest = client();
    const ckks::Encoder encoder(loud_->plan.circuits.context);
    const ckks::Evaluator evaluator(loud_->plan.circuits.context);
    const auto answer = [&](std::size_t step, const std::vector<ckks::Ciphertext>& sent) {
      std::vector<ckks::Ciphertext> fresh = expanded(honest.answer(step, sent));
      if (lie != 0 && step == 1)
        fresh.at(0) = evaluator.add_plain(
            fresh[0], encoder.encode(std::span<const double>(&lie, 1), fresh[0].level, fresh[0].scale));
      return fresh;
    };
    circuit::run_with_client(subject.prepared, keys_, question_, answer, 2);
    std::vector<Refreshed> refreshed = seam.take();
    EXPECT_EQ(refreshed.size(), 3u) << "after attention of either layer, and between them";
    EXPECT_EQ(refreshed.size(), subject.clear.size());
    return refreshed;
  }

  static std::vector<Wide> decrypted(const ckks::Ciphertext& c) {
    return support::coefficients(context(), ckks::secret::decrypt(*key_, c).poly);
  }
  static std::vector<double> difference(const ckks::Ciphertext& a, const ckks::Ciphertext& b) {
    const ckks::Ciphertext less = ckks::Evaluator(loud_->plan.circuits.context).sub(a, b);
    const auto modulus = static_cast<double>(support::lowest_modulus(context()));
    std::vector<double> parts;
    for (const Wide x : support::coefficients(context(), less.parts[1]))
      parts.push_back(static_cast<double>(x) / modulus);
    return parts;
  }

  // Of one refreshed value.
  static View view_of(const Refreshed& refreshed, const std::vector<Wide>& clear) {
    const Wide modulus = support::lowest_modulus(context());
    const double interval = std::exp2(ckks::refresh_mask_bits(context()));
    const std::vector<Wide> seen = decrypted(refreshed.sent), under = decrypted(refreshed.computed);
    const auto less = [&](Wide a, Wide b) { return (a + modulus - b) % modulus; };
    View view;
    view.against_circuit = difference(refreshed.sent, refreshed.computed);
    for (std::size_t k = 0; k < seen.size(); ++k) {
      view.masked.push_back((static_cast<double>(seen[k]) - std::ldexp(1.0, ckks::kLogMaskRoom)) / interval);
      view.values.push_back(static_cast<double>(support::centred(under[k], modulus)));
      view.noise.push_back(static_cast<double>(support::centred(less(under[k], clear[k]), modulus)));
      view.window.push_back(static_cast<double>(support::centred(less(seen[k], clear[k]) % kWindow, kWindow)));
    }
    return view;
  }

  // Of two runs, and of more masks for the values of the second.
  static View view(const Subject& subject, Weakening weakening, int bits) {
    RefreshSeam seam(weakening, bits);
    const std::vector<Refreshed> first = run(subject, seam);
    std::vector<Refreshed> all = run(subject, seam);
    EXPECT_TRUE(support::identical(first[0].computed, all[0].computed)) << "nothing has come from the client by then";
    View view;
    view.two_runs = difference(first[0].sent, all[0].sent);
    for (int draw = 0; draw < kDraws; ++draw)
      for (std::size_t i = 0; i < first.size(); ++i) {
        ring::Prng prng;
        ckks::mask_for_refresh(context(), all[i].computed, ckks::kRefreshLevel, *keys_, prng);
      }
    append(all, seam.take());
    for (std::size_t i = 0; i < all.size(); ++i) view.add(view_of(all[i], subject.clear[i % first.size()]));
    for (std::size_t i = 0; i < first.size(); ++i) view.add(view_of(first[i], subject.clear[i]));
    return view;
  }

  // What a client that knows both models finds.
  static std::vector<std::string> found(Weakening weakening, int bits = 0) {
    const View loud = view(*loud_, weakening, bits), quiet = view(*quiet_, weakening, bits);
    View both = loud;
    both.add(quiet);
    const std::pair<const char*, double> scores[] = {
        {kAgainstCircuit, support::uniform_deviations(both.against_circuit)},
        {kTwoRuns, support::uniform_deviations(both.two_runs)},
        {kUniform, support::uniform_deviations(both.masked)},
        {kTwoModels, support::same_distribution_deviations(loud.masked, quiet.masked)},
        {kValues, support::correlation_deviations(loud.masked, loud.values)},
        {kNoise, support::correlation_deviations(both.window, both.noise)},
    };
    std::vector<std::string> names;
    for (const auto& [name, deviations] : scores) {
      std::printf("%-40s %8.1f deviations\n", name, deviations);
      if (!(std::abs(deviations) <= kFound)) names.emplace_back(name);
    }
    return names;
  }

  static inline std::vector<double> batch_;
  static inline std::vector<int> lengths_;
  static inline std::unique_ptr<const Subject> loud_, quiet_;
  static inline std::unique_ptr<const ckks::secret::SecretKey> key_;
  static inline std::shared_ptr<const ckks::EvaluationKeys> keys_;
  static inline std::vector<ckks::Ciphertext> question_;
};

TEST_F(ClientView, DoesNotDependOnTheWeights) { EXPECT_THAT(found(Weakening::none), IsEmpty()); }

TEST_F(ClientView, WithoutAnEncryptionOfZeroShowsTheSecondHalf) {
  EXPECT_THAT(found(Weakening::no_zero), ElementsAre(kAgainstCircuit, kTwoRuns));
}

// Hardly longer than the largest values.
TEST_F(ClientView, UnderShortMasksShowsTheValues) {
  EXPECT_THAT(found(Weakening::short_mask, 30), ElementsAre(kUniform, kTwoModels, kValues));
}

TEST_F(ClientView, UnderMasksWithoutLowBitsShowsTheNoise) {
  EXPECT_THAT(found(Weakening::coarse_mask, 30), ElementsAre(kNoise));
}

// A client that lies until a later value fills q_0 q_1 sees nothing of it: the mask is as wide. Under one of half the
// width it sees in which half the value is.
TEST_F(ClientView, OfAValueAsLargeAsItsMaskShowsNothing) {
  const Wide modulus = support::lowest_modulus(context());
  const auto angle = [modulus](Wide integer) {
    return 2 * std::numbers::pi * static_cast<double>(integer) / static_cast<double>(modulus);
  };
  const auto seen_of_value = [&](Weakening weakening, double lie) {
    RefreshSeam seam(weakening, static_cast<int>(std::log2(static_cast<double>(modulus))) - 1);
    const Refreshed second = run(*loud_, seam, lie)[1];
    std::vector<double> seen, under;
    for (const Wide x : decrypted(second.sent)) seen.push_back(std::cos(angle(x)));
    for (const Wide x : decrypted(second.computed)) under.push_back(std::sin(angle(x)));
    return std::abs(support::correlation_deviations(seen, under));
  };
  constexpr double kLie = 0x1p80;
  EXPECT_LE(seen_of_value(Weakening::none, 0), kFound);
  EXPECT_LE(seen_of_value(Weakening::none, kLie), kFound);
  EXPECT_GT(seen_of_value(Weakening::short_mask, kLie), kFound);
}

}  // namespace
}  // namespace thex::encoder
