// Which error an action ends in.
#pragma once

#include <gtest/gtest.h>

#include "thex/base/error.h"

namespace thex::support {

// The code of the thex::Error that `action` throws; a test failure when it throws none.
template <typename Action>
ErrorCode code_of(const Action& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::internal;
}

}  // namespace thex::support
