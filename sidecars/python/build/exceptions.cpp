// There is no unwinder in the sandbox. Sources are compiled with their handlers ignored; what is
// thrown ends the program that runs, and nothing else.
#include <cstdlib>

#define LOCAL extern "C" __attribute__((visibility("hidden")))

LOCAL void *__cxa_allocate_exception(unsigned long size) { return std::malloc(size == 0 ? 1 : size); }
LOCAL void __cxa_free_exception(void *thrown) { std::free(thrown); }
LOCAL __attribute__((noreturn)) void __cxa_throw(void *, void *, void (*)(void *)) { std::abort(); }
LOCAL __attribute__((noreturn)) void __cxa_rethrow() { std::abort(); }
LOCAL void *__cxa_begin_catch(void *thrown) { return thrown; }
LOCAL void __cxa_end_catch() {}
