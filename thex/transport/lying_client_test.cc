// Clients of masked-rounds that answer with something else than what they got: the server computes on, and nobody else
// notices.
#include "tests/support/lying_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/support/error_code.h"
#include "tests/support/service_world.h"
#include "thex/ckks/encoder.h"
#include "thex/ring/kernels.h"
#include "thex/transport/in_process.h"
#include "thex/transport/session.h"

namespace thex::transport {
namespace {

using testing::LyingClient;
using testing::ServiceWorld;
using Reply = std::vector<ckks::SeededCiphertext>;

const ServiceWorld& world() { return testing::masked_rounds_world(); }
const ckks::Context& context() { return *world().client->plan.circuits.context; }

struct Lie {
  const char* name;
  LyingClient::Lie change;
};

// Of the right shape, so that no server can tell them from honest answers.
const std::vector<Lie>& lies() {
  static const auto of_each_residue = [](const std::function<void(std::uint64_t * row, const ring::Modulus&)>& f) {
    return [f](std::size_t step, Reply& reply) {
      for (ckks::SeededCiphertext& c : reply)
        for (const ckks::LimbIndex l : c.level.primes())
          if (step > 0) f(c.c0.limb(l), context().prime(l));
    };
  };
  static const std::vector<Lie> all = {
      {"random residues", of_each_residue([](std::uint64_t* row, const ring::Modulus& q) {
         ring::Prng prng;
         ring::sample_uniform(prng, row, context().n(), q);
       })},
      {"zeros", of_each_residue([](std::uint64_t* row, const ring::Modulus&) { std::fill_n(row, context().n(), 0); })},
      {"largest residues", of_each_residue([](std::uint64_t* row, const ring::Modulus& q) {
         std::fill_n(row, context().n(), q.value() - 1);
       })},
      {"a state far too large",
       [](std::size_t step, Reply& reply) {
         if (step == 0) return;
         const ckks::Encoder encoder(world().client->plan.circuits.context);
         for (ckks::SeededCiphertext& c : reply) {
           const std::vector<double> slots(context().slots(), 0x1p60);
           const ckks::Plaintext large = encoder.encode_full(slots, c.level, c.scale);
           for (const ckks::LimbIndex l : c.level.primes())
             ring::kernels().add(c.c0.limb(l), c.c0.limb(l), large.poly.limb(l), context().n(), context().prime(l));
         }
       }},
      {"random residues from the beginning",
       [](std::size_t, Reply& reply) {
         ring::Prng prng;
         for (ckks::SeededCiphertext& c : reply)
           for (const ckks::LimbIndex l : c.level.primes())
             ring::sample_uniform(prng, c.c0.limb(l), context().n(), context().prime(l));
       }},
  };
  return all;
}

constexpr std::size_t kMostLies = 200;

// An honest client with keys of its own asks all the time; the liar's keys are the world's. The lies are told again
// until the other has two answers, since its keys take longer to arrive than all of them.
TEST(LyingClients, GetAnswersAndTouchNobodyElse) {
  ASSERT_EQ(world().client->plan.protocol, model::Protocol::masked_rounds);
  const auto service = world().make_service();
  const client::ClientModel& model = *world().client;
  const client::ClientKeys honest_keys = world().make_keys("honest");
  const std::string text = "a gripping film";
  const std::vector<double> expected = world().clear_logits(text);
  const Session brings_keys(connect_in_process(*service, "liar"), model, *world().keys);
  std::atomic<bool> over{false};
  std::atomic<int> answered{0};
  std::thread honest([&] {
    Session session(connect_in_process(*service, "honest"), model, honest_keys, {.threads = 1});
    while (!over) {
      const client::Answer answer = session.classify(text);
      ASSERT_EQ(answer.logits.size(), expected.size());
      for (std::size_t l = 0; l < expected.size(); ++l) EXPECT_NEAR(answer.logits[l], expected[l], 1e-2);
      ++answered;
    }
  });
  const auto connection = connect_in_process(*service, "liar");
  testing::greet(*connection, model, *world().keys);
  const auto encoding = model.encode(text);
  const std::vector<double> embeddings = model::embed(model.model, encoding.ids, encoding.type_ids);
  const std::vector<Lie>& all = lies();
  for (std::size_t k = 0; k < all.size() || (answered < 2 && k < kMostLies); ++k) {
    const Lie& lie = all[k % all.size()];
    SCOPED_TRACE(lie.name);
    LyingClient liar(model, *world().keys, 0, static_cast<int>(encoding.ids.size()), embeddings, lie.change);
    EXPECT_NO_THROW(testing::play(*connection, liar));
    try {
      const std::vector<double> outputs = liar.outputs();
      double difference = 0;
      for (std::size_t l = 0; l < expected.size(); ++l) difference += std::abs(outputs[l] - expected[l]);
      EXPECT_GT(difference, 0.1) << "the lie arrived";
    } catch (const Error& refused) {  // as an honest client would
      EXPECT_EQ(refused.code(), ErrorCode::protocol);
    }
  }
  over = true;
  honest.join();
  EXPECT_GE(answered, 2) << "while the other lied";
  const server::ServiceStatistics s = service->statistics();
  EXPECT_EQ(s.failures, 0u);
  EXPECT_EQ(s.open_queries, 0u);
  EXPECT_EQ(s.memory, s.key_bytes + s.weight_bytes);
}

// What is not of the right shape ends the session of its sender.
TEST(LyingClients, AreToldWhenTheirAnswersAreMalformed) {
  const auto service = world().make_service();
  const client::ClientModel& model = *world().client;
  Session honest(connect_in_process(*service, "honest"), model, *world().keys);
  const std::vector<double> embeddings(16 * 16, 0.0);
  const Lie malformed[] = {
      {"a level too low",
       [](std::size_t step, Reply& reply) {
         if (step == 0) return;
         ckks::SeededCiphertext& c = reply[0];
         c.level = c.level - 1;
         ring::Poly lower(context().n(), c.level.limbs());
         for (std::size_t l = 0; l < lower.limbs(); ++l) std::copy_n(c.c0.limb(l), lower.n(), lower.limb(l));
         c.c0 = std::move(lower);
       }},
      {"another scale", [](std::size_t step, Reply& reply) { reply[0].scale *= step > 0 ? 2 : 1; }},
      {"one more",
       [](std::size_t step, Reply& reply) {
         if (step > 0) reply.push_back(reply[0]);
       }},
      {"none",
       [](std::size_t step, Reply& reply) {
         if (step > 0) reply.clear();
       }},
  };
  for (const Lie& lie : malformed) {
    SCOPED_TRACE(lie.name);
    const auto connection = connect_in_process(*service, "liar");
    testing::greet(*connection, model, *world().keys);
    LyingClient liar(model, *world().keys, 0, 16, embeddings, lie.change);
    EXPECT_EQ(support::code_of([&] { testing::play(*connection, liar); }), ErrorCode::protocol);
  }
  EXPECT_EQ(honest.classify("very dull").logits.size(), 2u);
  EXPECT_EQ(service->statistics().failures, std::size(malformed));
  EXPECT_EQ(service->statistics().open_queries, 0u);
}

}  // namespace
}  // namespace thex::transport
