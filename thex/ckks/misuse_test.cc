// What the evaluator refuses, and that its messages name the values.
#include <functional>

#include "tests/support/ckks.h"

namespace thex::ckks {
namespace {

using support::expect_error;
using support::Party;

class Misuse : public ::testing::Test {
 protected:
  void refuses(const std::vector<std::string>& words, const std::function<void()>& action,
               ErrorCode code = ErrorCode::crypto) {
    expect_error(code, words, action);
  }

  Party& p = support::party("n13_alpha1");
  const Evaluator& ev = p.evaluator;
  Ciphertext top = p.encrypt(support::random_slots(p.context->slots(), 1), 3);
  Ciphertext lower = ev.drop_to(top, 1);
};

TEST_F(Misuse, Levels) {
  refuses({"add", "levels 3 and 1"}, [&] { ev.add(top, lower); });
  refuses({"sub", "levels 3 and 1"}, [&] { ev.sub(top, lower); });
  refuses({"mul", "levels 3 and 1"}, [&] { ev.mul(top, lower); });
  refuses({"drop_to", "level 3", "level 1"}, [&] { ev.drop_to(lower, 3); });
  refuses({"drop_to", "level -1"}, [&] { ev.drop_to(lower, -1); });
  refuses({"align_to", "level 2", "level 1"}, [&] { ev.align_to(lower, 2); });
  refuses({"rescale", "level 0"}, [&] { ev.rescale(ev.drop_to(top, 0)); });
  refuses({"relinearize_rescale", "level 0"}, [&] { ev.relinearize_rescale(ev.drop_to(top, 0), p.keys); });
  const Plaintext plain = p.encode(std::vector<double>{1}, 1, top.scale);
  refuses({"add_plain", "level 3", "level 1"}, [&] { ev.add_plain(top, plain); });
  refuses({"mul_plain", "level 3", "level 1"}, [&] { ev.mul_plain(top, plain); });
}

TEST_F(Misuse, Scales) {
  Ciphertext other = top;
  other.scale *= 1.0001;
  refuses({"add", "scales", "2^32"}, [&] { ev.add(top, other); });
  refuses({"sub", "scales"}, [&] { ev.sub(top, other); });
  refuses({"add_plain", "scales"}, [&] { ev.add_plain(top, p.encode(std::vector<double>{1}, 3, 4.0)); });
  other.scale = top.scale * (1 + 0x1p-40);
  EXPECT_NO_THROW(ev.add(top, other));
  const Ciphertext* const x[] = {&top, &top};
  other.scale = top.scale * 2;
  const Ciphertext* const y[] = {&top, &other};
  refuses({"mul", "scales"}, [&] { ev.inner_product(x, y); });
  // A product whose scale exceeds the modulus of its level.
  const Ciphertext bottom = ev.drop_to(top, 0);
  refuses({"mul", "scale 2^64", "level 0"}, [&] { ev.mul(bottom, bottom); });
  refuses({"mul_scalar", "scale", "level 0"}, [&] { ev.mul_scalar(bottom, 1, 0x1p20); });
  refuses({"mul_plain", "scale", "level 0"},
          [&] { ev.mul_plain(bottom, p.encode(std::vector<double>{1}, 0, 0x1p32)); });
  other.scale = 0;
  refuses({"scale", "not positive"}, [&] { ev.add(other, other); });
  refuses({"mul_scalar", "finite"}, [&] { ev.mul_scalar(top, 1e300, 1e300); });
  refuses({"mul_scalar", "positive scale"}, [&] { ev.mul_scalar(top, 1, 0); });
  Ciphertext unscaled = ev.drop_to(top, 1);
  unscaled.scale *= 2;
  refuses({"align_to", "not the canonical"}, [&] { ev.align_to(unscaled, 1); });
  Ciphertext product = ev.mul_scalar(top, 1, 0x1p32);
  refuses({"align_to", "rescale first"}, [&] { ev.align_to(product, 1); });
}

TEST_F(Misuse, Parts) {
  const Ciphertext product = ev.mul(top, top);
  refuses({"mul", "3 parts", "relinearise"}, [&] { ev.mul(product, product); });
  refuses({"rotate", "3 parts"}, [&] { ev.rotate(product, 1, p.keys); });
  refuses({"conjugate", "3 parts"}, [&] { ev.conjugate(product, p.keys); });
  refuses({"decompose", "3 parts"}, [&] { ev.decompose(product); });
  Ciphertext broken = top;
  broken.parts.pop_back();
  refuses({"1 parts"}, [&] { ev.add(broken, broken); });
  broken = top;
  broken.level = 2;
  refuses({"4 limbs", "level 2"}, [&] { ev.add(broken, broken); });
  broken.level = 9;
  refuses({"level 9"}, [&] { ev.negate(broken); });
  Plaintext plain = p.encode(std::vector<double>{1}, 3, top.scale);
  plain.poly = p.encode(std::vector<double>{1}, 1, top.scale).poly;
  refuses({"plaintext", "2 limbs"}, [&] { ev.add_plain(top, plain); });
  refuses({"0 ciphertexts"}, [&] { ev.inner_product_plain({}, {}); });
  refuses({"0 and 0 factors"}, [&] { ev.inner_product({}, {}); });
}

TEST_F(Misuse, Keys) {
  const EvaluationKeys none;
  refuses(
      {"rotation by 2"}, [&] { ev.rotate(top, 2, p.keys); }, ErrorCode::keys);
  refuses(
      {"rotation by -7"}, [&] { ev.rotate_hoisted(top, ev.decompose(top), -7, p.keys); }, ErrorCode::keys);
  refuses(
      {"conjugation key"}, [&] { ev.conjugate(top, none); }, ErrorCode::keys);
  refuses(
      {"relinearisation key"}, [&] { ev.relinearize(ev.mul(top, top), none); }, ErrorCode::keys);

  const EvaluationKeys low = secret::make_evaluation_keys(p.key, {{{1, 1}}, 1, 1}, p.prng);
  refuses(
      {"rotation by 1", "level 1", "level 3"}, [&] { ev.rotate(top, 1, low); }, ErrorCode::keys);
  refuses(
      {"relinearize", "level 1", "level 3"}, [&] { ev.relinearize(ev.mul(top, top), low); }, ErrorCode::keys);
  refuses(
      {"conjugate", "level 1", "level 3"}, [&] { ev.conjugate(top, low); }, ErrorCode::keys);

  refuses(
      {"relinearize_rescale", "level 1", "level 3"}, [&] { ev.relinearize_rescale(ev.mul(top, top), low); },
      ErrorCode::keys);

  // A key of another context.
  Party& other = support::party("n13_alpha2");
  refuses(
      {"other CKKS parameters"}, [&] { ev.rotate(top, 1, other.keys); }, ErrorCode::keys);
  refuses({"rotate_hoisted", "decomposition"}, [&] { ev.rotate_hoisted(lower, ev.decompose(top), 1, p.keys); });
}

}  // namespace
}  // namespace thex::ckks
