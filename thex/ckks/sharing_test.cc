// Objects are safe to read from several threads: many threads share one context, evaluator, encoder and set of keys,
// computing on the same ciphertexts at once, and get bit for bit what one thread gets. Run under ThreadSanitizer by
// scripts/sanitize.sh tsan.
#include <barrier>
#include <functional>
#include <thread>

#include "tests/support/ckks.h"
#include "thex/ckks/serialization.h"

namespace thex::ckks {
namespace {

using support::identical;
using support::Party;

constexpr int kThreads = 8, kRounds = 3;

using Operation = std::function<Ciphertext()>;

TEST(Sharing, ManyThreadsComputeWhatOneComputes) {
  Party p(support::spec("n13_alpha2"));  // of its own: its tables have not been touched yet
  const Level top = p.top();
  p.make_keys({{{1, top}, {-1, top}, {3, top}, {8, top}}, top, top});
  const Ciphertext a = p.encrypt(support::random_slots(p.context->slots(), 1), top);
  const Ciphertext b = p.encrypt(support::random_slots(p.context->slots(), 2), top);
  const std::vector<double> weights = support::random_reals(64, 3);
  const double scale = p.context->scale(top);
  const Bytes sent = serialize(*p.context, a);
  const Evaluator& evaluator = p.evaluator;
  const Encoder& encoder = p.encoder;
  const EvaluationKeys& keys = p.keys;
  const Decomposition digits = evaluator.decompose(a);

  const std::vector<Operation> operations = {
      [&] { return evaluator.rotate(a, 1, keys); },
      [&] { return evaluator.rotate(b, -1, keys); },
      [&] { return evaluator.rotate_hoisted(a, digits, 3, keys); },
      [&] { return evaluator.rotate_hoisted(a, digits, 8, keys); },
      [&] { return evaluator.conjugate(a, keys); },
      [&] { return evaluator.relinearize_rescale(evaluator.mul(a, b), keys); },
      [&] { return evaluator.rescale(evaluator.relinearize(evaluator.mul(b, b), keys)); },
      [&] {
        return evaluator.rescale(evaluator.mul_plain(a, encoder.encode(std::span<const double>(weights), top, scale)));
      },
      [&] { return evaluator.align_to(evaluator.add(a, evaluator.negate(b)), 1); },
      [&] { return parse_ciphertext(*p.context, sent); },
  };

  // The threads start together and each begins elsewhere, so that first uses (permutations, compact tables) meet.
  std::vector<std::vector<std::vector<Ciphertext>>> results(
      kThreads, std::vector<std::vector<Ciphertext>>(kRounds, std::vector<Ciphertext>(operations.size())));
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      for (auto& round : results[t]) {
        for (std::size_t i = 0; i < operations.size(); ++i) {
          const std::size_t which = (i + t) % operations.size();
          round[which] = operations[which]();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Ciphertext alone = operations[i]();
    for (const auto& of_thread : results) {
      for (const auto& round : of_thread) EXPECT_TRUE(identical(round[i], alone)) << "operation " << i;
    }
  }
}

// Clients of one context work side by side: keys, encryption and decryption with generators of their own.
TEST(Sharing, ManyClientsOfOneContext) {
  const ContextPtr context = Context::create(support::spec("n12_alpha1"));
  const Encoder encoder(context);
  const Evaluator evaluator(context);
  const std::vector<double> values = support::random_reals(context->slots(), 5);
  std::vector<double> errors(kThreads, 1);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ring::Prng prng(ring::Seed{static_cast<std::uint8_t>(t)});
      const auto key = secret::SecretKey::generate(context, prng);
      const auto keys = secret::make_evaluation_keys(key, {{{1, 1}}, 1, -1}, prng);
      const Plaintext plain = encoder.encode(std::span<const double>(values), 1, context->scale(1));
      const Ciphertext x = evaluator.expand(secret::encrypt(key, plain, prng));
      const std::vector<double> decoded =
          encoder.decode_real(secret::decrypt(key, evaluator.rotate(evaluator.rotate(x, 1, keys), 0, keys)));
      double worst = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        worst = std::max(worst, std::abs(decoded[i] - values[(i + 1) % values.size()]));
      }
      errors[t] = worst;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double error : errors) EXPECT_LT(error, 0.01);
}

}  // namespace
}  // namespace thex::ckks
