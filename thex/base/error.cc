#include "thex/base/error.h"

namespace thex {

int exit_status(ErrorCode code) { return static_cast<int>(code); }

}  // namespace thex
