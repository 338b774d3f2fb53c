#include "mirror/mirror.hpp"

#include "mirror/engine.hpp"

namespace culvert::mirror {

Mirror::Mirror(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mirror::~Mirror() = default;

Result<std::unique_ptr<Mirror>> Mirror::create(const Options& options) {
  auto impl = Impl::create(options);
  if (!impl) return tl::make_unexpected(std::move(impl.error()));
  return std::unique_ptr<Mirror>(new Mirror(std::move(*impl)));
}

int Mirror::fd() const { return impl_->fd(); }
void Mirror::poll(size_t budget, TimePoint now) { impl_->poll(budget, now); }
TimePoint Mirror::next_timer() const { return impl_->next_timer(); }
void Mirror::on_timer(TimePoint now) { impl_->on_timer(now); }
bool Mirror::ready() const { return impl_->ready(); }
Stats Mirror::stats() const { return impl_->stats(); }
void Mirror::resync() { impl_->resync(); }
void Mirror::barrier(std::function<void()> done) { impl_->barrier(std::move(done)); }
void Mirror::use_neighbour(int ifindex, const net::IpAddr& ip) { impl_->use_neighbour(ifindex, ip); }

void Mirror::subscribe(Listener& listener) {
  impl_->store().replay(listener);
  impl_->store().changes().add(listener);
}
void Mirror::unsubscribe(Listener& listener) { impl_->store().changes().remove(listener); }
Result<std::unique_ptr<Subscription>> Mirror::subscribe(const SubscribeOptions& options) {
  Store& store = impl_->store();
  return Subscription::create(store, store.changes(), impl_->domain(), options);
}

const Link* Mirror::link(int ifindex) const { return impl_->store().table<Link>().find(ifindex); }
const Link* Mirror::link_by_name(const std::string& name) const { return impl_->store().link_by_name(name); }
const Address* Mirror::address(const net::IpAddr& ip) const { return impl_->store().address(ip); }
const Neighbour* Mirror::neighbour(int ifindex, const net::IpAddr& ip) const {
  return impl_->store().table<Neighbour>().find({ifindex, ip});
}
const Nexthop* Mirror::nexthop(uint32_t id) const { return impl_->store().table<Nexthop>().find(id); }
std::optional<Route> Mirror::lookup(uint32_t table, const net::IpAddr& ip) const {
  return impl_->store().lookup(table, ip);
}

std::optional<Route> Mirror::route_to(const Flow& flow) const { return impl_->store().route_to(flow); }

const Path* Mirror::best(uint32_t table, const net::Prefix& dst) const {
  return impl_->store().best(table, dst);
}
bool Mirror::visit_best(uint32_t table, uint32_t& from, size_t budget,
                        const std::function<void(const net::Prefix&, const Path&)>& visit) const {
  return impl_->store().visit_best(table, from, budget, visit);
}
Path Mirror::present(const Path& path) const {
  return path.nexthop_id == 0 ? path : impl_->store().with_present_hops(path);
}

bool Mirror::rules_look_at_links() const {
  return std::ranges::any_of(impl_->store().policy().rules(), [](const PolicyRule& rule) {
    return !rule.iif.empty() || !rule.oif.empty() || rule.l3mdev || rule.suppress_group;
  });
}

std::vector<PolicyRule> Mirror::rules() const { return impl_->store().policy().rules(); }
std::vector<const Link*> Mirror::links() const { return impl_->store().table<Link>().sorted(); }
std::vector<const Address*> Mirror::addresses() const { return impl_->store().table<Address>().sorted(); }
std::vector<const Address*> Mirror::addresses(int ifindex) const {
  std::vector<const Address*> addresses;
  for (const auto& key : impl_->store().addresses_on(ifindex))
    addresses.push_back(impl_->store().table<Address>().find(key));
  std::sort(addresses.begin(), addresses.end(),
            [](const Address* a, const Address* b) { return a->key() < b->key(); });
  return addresses;
}
std::vector<const Neighbour*> Mirror::neighbours() const {
  return impl_->store().table<Neighbour>().sorted();
}
std::vector<const Neighbour*> Mirror::neighbours(int ifindex) const {
  std::vector<const Neighbour*> neighbours;
  for (const auto& key : impl_->store().neighbours_on(ifindex))
    neighbours.push_back(impl_->store().table<Neighbour>().find(key));
  std::sort(neighbours.begin(), neighbours.end(),
            [](const Neighbour* a, const Neighbour* b) { return a->key() < b->key(); });
  return neighbours;
}
std::vector<const Nexthop*> Mirror::nexthops() const { return impl_->store().table<Nexthop>().sorted(); }
std::vector<Route> Mirror::routes() const {
  std::vector<Route> routes;
  for (const RouteTable::Found& found : impl_->store().routes().sorted())
    routes.push_back(impl_->store().route(found));
  return routes;
}

}  // namespace culvert::mirror
