// A seam in the masked refresh, for tests: shows what a run hands over and what the client is sent for it, and can
// leave out a part of what hides the one in the other. A test without the part must notice. Or it shows the masks.
//
// The linker puts it there: refresh_seam.cc stands in front of two functions of ckks in the programs that are linked
// with it and with the options of cmake/RefreshSeam.cmake. The libraries have no such path and no switch for it.
#pragma once

#include <functional>
#include <vector>

#include "thex/ckks/ciphertext.h"
#include "thex/ring/poly.h"

namespace thex::support {

enum class Weakening {
  none,
  no_zero,      // no encryption of zero is added
  short_mask,   // the mask has its lowest `bits` bits only
  coarse_mask,  // the mask has all but those
};

struct Refreshed {
  ckks::Ciphertext computed;  // two parts at level 1: what the circuit left
  ckks::Ciphertext sent;      // what is sent for it
};

// While it lives, it notes all refreshes of the process, and weakens them as it says. One at a time.
class RefreshSeam {
 public:
  explicit RefreshSeam(Weakening weakening = Weakening::none, int bits = 0);
  // Looks at the mask of every refresh as soon as it is made, on the thread that made it; nothing is noted or changed.
  using Look = std::function<void(const ring::Poly& mask)>;
  explicit RefreshSeam(Look look);
  ~RefreshSeam();
  RefreshSeam(const RefreshSeam&) = delete;
  RefreshSeam& operator=(const RefreshSeam&) = delete;

  // What was refreshed since it was asked last, in order.
  std::vector<Refreshed> take();
};

}  // namespace thex::support
