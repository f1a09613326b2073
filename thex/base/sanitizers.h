// Which sanitizer this is compiled with, for gcc and clang: THEX_ADDRESS_SANITIZER and THEX_THREAD_SANITIZER, 1 or 0.
#pragma once

#if defined(__has_feature)  // clang
#define THEX_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#define THEX_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#if defined(__SANITIZE_ADDRESS__)
#define THEX_ADDRESS_SANITIZER 1
#else
#define THEX_ADDRESS_SANITIZER 0
#endif
#if defined(__SANITIZE_THREAD__)
#define THEX_THREAD_SANITIZER 1
#else
#define THEX_THREAD_SANITIZER 0
#endif
#endif
