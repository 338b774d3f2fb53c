// What the benchmarks of the packet path stand on: a source that replays frames without end (net_pcap, which
// copies each into a fresh mbuf), a sink that counts and frees (net_null), and a packet path between them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "dataplane/dataplane.hpp"
#include "frames.hpp"
#include "port/port.hpp"
#include "rcu/domain.hpp"

namespace culvert::bench {

// A temporary folder with the pcap file in it.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A virtual device; it goes with this.
class Vdev {
 public:
  Vdev(std::string name, const std::string& arguments);
  Vdev(const Vdev&) = delete;
  Vdev& operator=(const Vdev&) = delete;
  ~Vdev();

  Status status;

 private:
  std::string name_;
};

// A vdev and the port on it; both go with it.
class VdevPort {
 public:
  VdevPort(const std::string& name, const std::string& arguments, rte_mempool* pool);

  Status status;

 private:
  Vdev vdev_;

 public:
  std::unique_ptr<port::Port> port;
};

// Source and sink.
struct Ends {
  // The source replays `flows` frames.
  static Result<std::unique_ptr<Ends>> make(Kind kind, unsigned flows);

  TempDir directory;
  port::Mempool pool;
  std::optional<VdevPort> source, sink;
};

inline constexpr dataplane::PortIndex kSource = 0, kSink = 1;

// A packet path from the source to the sink; no worker runs yet.
struct Gateway {
  static Result<std::unique_ptr<Gateway>> make(Kind kind, unsigned flows);
  // One network with one port and one tunnel. To encapsulate the source is the tenant and the sink the
  // underlay; to decapsulate it is the other way about.
  Status set_up(bool encap);
  // To encapsulate, as an l3 network: a route of 24 bits to each of the flows' destinations.
  Status set_up_routed(unsigned flows);
  // Runs the worker: see measure(). Error: not every packet went through a tunnel.
  Result<std::vector<double>> run(bool encap, unsigned runs);

  std::unique_ptr<Ends> ends;
  std::unique_ptr<rcu::Domain> domain;
  std::unique_ptr<dataplane::Dataplane> path;
};

// The lcore beside the main one.
unsigned worker_lcore();

// Cycles a packet over `runs` windows after one to warm up; `packets` tells how many went out by now.
std::vector<double> measure(unsigned runs, const std::function<uint64_t()>& packets,
                            const std::function<void()>& meanwhile);

}  // namespace culvert::bench
