// Numbered frames at a constant rate from a tenant of lib.sh's picture, looked at on the underlay: first
// while nothing changes, then while the MAC of the tunnel's next hop does. Exit status 1: something was lost,
// came twice, was late, stale or bare. See lossless.sh.
//
// A MAC tells the number of its change, and a frame the number of the last change that was complete when it
// was sent (`wait` of culvert's shell had returned): a header older than that is stale, whatever the clocks
// say. The packet path's headers have one UDP source port, which is not among those that the NIC takes.
//
// Frames go out at their times, those that are late at once; but no more than kWindow are under way, which
// every ring on the way can hold. So a machine that stands still for a while loses nothing, and what is lost
// was lost by somebody.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/netns.hpp"
#include "net/headers.hpp"
#include "shell_client/client.hpp"

using namespace culvert;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kMagic = 0xc0117e47;
constexpr uint32_t kWindow = 400;
constexpr uint16_t kSoftwarePort = 40000;  // lossless.sh: source_port of the tunnel
constexpr auto kTurn = 5ms;                // between two changes, at least
constexpr auto kPatience = 5s;             // for a frame under way, on a machine that does other things
constexpr net::Mac kTenant{{2, 0, 0, 0, 7, 1}}, kStation{{2, 0, 0, 0, 7, 2}};

struct Payload {
  net::be32 magic, sequence, completed;
};
struct Inner {
  net::EtherHdr ether;
  net::Ipv4Hdr ip;
  net::UdpHdr udp;
  Payload payload;
  uint8_t padding[46];
};
static_assert(sizeof(Inner) == 100);
struct Outer {
  net::EtherHdr ether;
  net::Ipv4Hdr ip;
  net::UdpHdr udp;
  net::VxlanHdr vxlan;
  Inner inner;
};

net::Mac mac_of(uint32_t change) {
  return {{2, 0xcc, 0, static_cast<uint8_t>(change >> 16), static_cast<uint8_t>(change >> 8),
           static_cast<uint8_t>(change)}};
}
uint32_t change_of(const net::Mac& mac) {
  return uint32_t{mac.bytes[3]} << 16 | uint32_t{mac.bytes[4]} << 8 | mac.bytes[5];
}

// Any thread: the others are in its way no more.
[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "mac_changes: {}\n", what);
  std::_Exit(2);
}
void check(bool good, const char* what) {
  if (!good) fail(fmt::format("{}: {}", what, errno_text(errno)));
}

// A packet socket on a link of a namespace; `protocol` 0 receives nothing.
UniqueFd packet_socket(const std::string& netns, const char* link, uint16_t protocol) {
  UniqueFd fd;
  const Status opened = in_netns(netns, [&]() -> Status {
    fd = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(link));
    const int on = 1, buffer_bytes = 32 << 20;  // more than a test sends
    const timeval limit{0, 100'000};
    if (::setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0 ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      return error("a packet socket on {}: {}", link, errno_text(errno));
    return {};
  });
  if (!opened) fail(opened.error().message);
  return fd;
}

// `ip neighbour replace 192.0.2.2 dev uplink0 lladdr MAC nud permanent`, and the kernel's answer.
class Neighbour {
 public:
  explicit Neighbour(const std::string& netns) {
    const Status opened = in_netns(netns, [this]() -> Status {
      fd_ = UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
      ifindex_ = static_cast<int>(::if_nametoindex("uplink0"));
      return {};
    });
    if (!opened) fail(opened.error().message);
  }

  void replace(const net::Mac& mac) {
    struct {
      nlmsghdr head{.nlmsg_type = RTM_NEWNEIGH,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK};
      ndmsg neighbour{.ndm_family = AF_INET, .ndm_state = NUD_PERMANENT};
      rtattr dst{.rta_len = RTA_LENGTH(4), .rta_type = NDA_DST};
      in_addr ip{inet_addr("192.0.2.2")};
      rtattr lladdr{.rta_len = RTA_LENGTH(6), .rta_type = NDA_LLADDR};
      net::Mac mac;
    } request;
    request.neighbour.ndm_ifindex = ifindex_;
    request.mac = mac;
    request.head.nlmsg_len = sizeof(request);
    check(::send(fd_.get(), &request, sizeof(request), 0) == sizeof(request), "asking for a neighbour");
    struct {
      nlmsghdr head;
      nlmsgerr answer;
    } reply;
    check(::recv(fd_.get(), &reply, sizeof(reply), 0) > 0, "the kernel's answer");
    errno = -reply.answer.error;
    check(reply.answer.error == 0, "changing a neighbour");
  }

 private:
  UniqueFd fd_;
  int ifindex_ = 0;
};

// What the threads tell each other.
struct Shared {
  std::atomic<uint32_t> completed{0};  // the last change that is
  std::atomic<uint32_t> sent{0};
  std::atomic<uint32_t> received{0};  // each number once
  std::atomic<bool> stop_sending{false}, stop_receiving{false};
};

struct Sent {
  uint32_t held = 0;  // how often the window was full
  Clock::duration longest_hold{};
  double per_second = 0;
};

Sent send_frames(int fd, uint32_t rate, Shared& shared) {
  Inner frame{};
  frame.ether = {kStation, kTenant, net::kEtherIpv4};
  frame.ip.version_ihl = 0x45;
  frame.ip.total_length = net::be16{sizeof(Inner) - sizeof(net::EtherHdr)};
  frame.ip.ttl = 64;
  frame.ip.protocol = net::kProtoUdp;
  frame.ip.src = net::be32{0x0a070001};
  frame.ip.dst = net::be32{0x0a070002};
  frame.udp = {net::be16{7}, net::be16{7}, net::be16{sizeof(Inner) - 34}, {}};
  frame.payload.magic = net::be32{kMagic};

  Sent result;
  const auto begin = Clock::now();
  uint32_t sequence = 0;
  while (!shared.stop_sending) {
    std::this_thread::sleep_until(begin + std::chrono::nanoseconds(1s) * sequence / rate);
    const auto full = [&] { return sequence - shared.received >= kWindow; };
    if (full()) {
      ++result.held;
      const auto since = Clock::now();
      while (full() && Clock::now() - since < kPatience) std::this_thread::sleep_for(100us);
      result.longest_hold = std::max(result.longest_hold, Clock::now() - since);
      if (full()) break;  // so much is lost
    }
    frame.payload.sequence = net::be32{sequence};
    frame.payload.completed = net::be32{shared.completed};
    check(::send(fd, &frame, sizeof(frame), 0) == sizeof(frame), "sending a frame");
    shared.sent = ++sequence;
  }
  result.per_second = sequence / std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

struct Seen {
  std::vector<uint8_t> times;  // by sequence number
  uint32_t twice = 0, bare = 0, stale = 0;
  struct Path {
    uint32_t frames = 0, reordered = 0, next = 0;
  };
  Path nic, software, both;
};

// One after the other on a path? A number that was passed already was overtaken.
void in_order(Seen::Path& path, uint32_t sequence) {
  ++path.frames;
  if (sequence < path.next)
    ++path.reordered;
  else
    path.next = sequence + 1;
}

Seen receive_frames(int fd, Shared& shared) {
  Seen seen;
  while (!shared.stop_receiving) {
    Outer frame;
    const ssize_t bytes = ::recv(fd, &frame, sizeof(frame), MSG_TRUNC);
    if (bytes > 0 && frame.ether.src == kTenant) ++seen.bare;
    if (bytes != sizeof(frame) || frame.udp.dst_port != net::be16{net::kVxlanPort} ||
        frame.inner.payload.magic != net::be32{kMagic})
      continue;
    const uint32_t sequence = frame.inner.payload.sequence.host();
    if (sequence >= seen.times.size()) seen.times.resize(sequence + 1);
    if (++seen.times[sequence] == 1)
      ++shared.received;
    else
      ++seen.twice;
    const uint32_t change = change_of(frame.ether.dst);
    if (change < frame.inner.payload.completed.host() || frame.ether.dst != mac_of(change)) ++seen.stale;
    in_order(frame.udp.src_port == net::be16{kSoftwarePort} ? seen.software : seen.nic, sequence);
    in_order(seen.both, sequence);
  }
  return seen;
}

struct Setup {
  std::string tenant, gateway, underlay;  // namespaces
  uint32_t rate;
};

void wait(shell::Client& culvert) {
  const auto answer = culvert.run("wait 60");
  if (!answer) fail(answer.error().message);
  if (answer->outcome != shell::Outcome::ok) fail("wait: " + answer->text);
}

// So many turns, with or without changes. True: all is well.
bool run(const Setup& setup, shell::Client& culvert, uint32_t turns, bool changes, uint32_t first) {
  const UniqueFd out = packet_socket(setup.tenant, "eth0", 0);
  const UniqueFd in = packet_socket(setup.underlay, "to-gw", ETH_P_ALL);
  Neighbour neighbour(setup.gateway);
  neighbour.replace(mac_of(first));
  wait(culvert);
  Shared shared;
  shared.completed = first;
  Sent sent;
  Seen seen;
  std::thread receiver([&] { seen = receive_frames(in.get(), shared); });
  std::thread sender([&] { sent = send_frames(out.get(), setup.rate, shared); });
  for (uint32_t turn = 1; turn <= turns; ++turn) {
    const auto next = Clock::now() + kTurn;
    if (changes) neighbour.replace(mac_of(first + turn));
    if (turn % 3 == 0 && turn != turns) continue;  // the next change comes on top of this one
    wait(culvert);
    if (changes) shared.completed = first + turn;
    std::this_thread::sleep_until(next);
  }
  shared.stop_sending = true;
  sender.join();
  const auto deadline = Clock::now() + kPatience;
  while (shared.received < shared.sent && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);  // for what comes twice
  shared.stop_receiving = true;
  receiver.join();

  const uint32_t lost = shared.sent - shared.received;
  tpacket_stats own{};
  socklen_t size = sizeof(own);
  check(::getsockopt(in.get(), SOL_PACKET, PACKET_STATISTICS, &own, &size) == 0, "packet statistics");
  fmt::print(
      "  {:4} changes: {} frames, {:.0f} a second (NIC {}, packet path {}): lost {}, twice {}, stale {}, "
      "bare {}, reordered in the NIC {}, in the packet path {}, between the two {}; held back {} times, "
      "at most {} ms{}\n",
      changes ? turns : 0, shared.sent.load(), sent.per_second, seen.nic.frames, seen.software.frames, lost,
      seen.twice, seen.stale, seen.bare, seen.nic.reordered, seen.software.reordered, seen.both.reordered,
      sent.held, sent.longest_hold / 1ms,
      own.tp_drops != 0 ? fmt::format("; {} not heard by this program", own.tp_drops) : "");
  return lost + seen.twice + seen.stale + seen.bare + seen.nic.reordered + seen.software.reordered == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: mac_changes TENANT_NETNS GATEWAY_NETNS UNDERLAY_NETNS SOCKET RATE CHANGES\n");
    return 2;
  }
  const Setup setup{argv[1], argv[2], argv[3], static_cast<uint32_t>(std::atoi(argv[5]))};
  const auto changes = static_cast<uint32_t>(std::atoi(argv[6]));
  auto culvert = shell::Client::connect(argv[4]);
  if (!culvert) fail(culvert.error().message);
  const bool good = run(setup, *culvert, changes, false, 0) && run(setup, *culvert, changes, true, 1);
  return good ? 0 : 1;
}
