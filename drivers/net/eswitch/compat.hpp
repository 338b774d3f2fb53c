// The one place that knows which DPDK this driver is built against: 22.11, where the flow queue calls are
// part of rte_flow_ops and control threads are pthreads, to 24.11, where they are rte_flow_fp_ops and
// rte_thread_t.
#pragma once

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <pthread.h>
#include <rte_flow_driver.h>
#include <rte_lcore.h>
#include <rte_version.h>

#define ESWITCH_HAS_FLOW_FP_OPS (RTE_VERSION >= RTE_VERSION_NUM(24, 3, 0, 0))
#define ESWITCH_HAS_ACTIONS_UPDATE (RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0))
#define ESWITCH_HAS_RTE_THREAD (RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0))

namespace eswitch::compat {

#if ESWITCH_HAS_RTE_THREAD
using ControlThread = rte_thread_t;
using ControlResult = uint32_t;
inline int start_control_thread(ControlThread* thread, const char* name, ControlResult (*main)(void*),
                                void* arg) {
  return rte_thread_create_control(thread, name, main, arg);
}
inline void join_control_thread(ControlThread thread) { rte_thread_join(thread, nullptr); }
#else
using ControlThread = pthread_t;
using ControlResult = void*;
/// A thread on the cores that EAL leaves to control threads. Returns 0 or a negative errno.
inline int start_control_thread(ControlThread* thread, const char* name, ControlResult (*main)(void*),
                                void* arg) {
  return rte_ctrl_thread_create(thread, name, nullptr, main, arg);
}
inline void join_control_thread(ControlThread thread) { pthread_join(thread, nullptr); }
#endif

}  // namespace eswitch::compat
