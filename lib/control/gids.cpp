#include "control/gids.hpp"

#include <sys/eventfd.h>

#include <utility>

namespace culvert::control {

Result<std::unique_ptr<Gids>> Gids::create(EventLoop& loop, mirror::Mirror& mirror, rcu::Domain& domain,
                                           const std::vector<config::Port>& ports, World world) {
  std::unique_ptr<Gids> gids(new Gids(loop, mirror, domain, std::move(world)));
  gids->wake_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!gids->wake_) return error("no eventfd for the GID tables: {}", errno_text(errno));
  const auto reader = domain.lend_name();
  if (!reader) return tl::make_unexpected(reader.error());
  gids->reader_ = *reader;
  domain.add(*reader);
  gid::Provider* const provider = gids.get();
  std::vector<gid::Follower::PortLink> links;
  for (const config::Port& port : ports) {
    gid::Table& table = gids->tables_.emplace_back(port.name, port.gids, domain, provider);
    if (!port.netdev.empty()) links.push_back({port.netdev, &table});
  }
  auto updater = gid::Updater::create([fd = gids->wake_.get()] { ::eventfd_write(fd, 1); });
  if (!updater) return tl::make_unexpected(updater.error());
  gids->updater_ = std::move(*updater);
  gids->follower_ = std::make_unique<gid::Follower>(
      links, [self = gids.get()](gid::Update update) { self->updater_->post(std::move(update)); });
  mirror.subscribe(*gids->follower_);
  loop.add_fd(gids->wake_.get(), EPOLLIN, [self = gids.get()](uint32_t) {
    eventfd_t count = 0;
    ::eventfd_read(self->wake_.get(), &count);
    self->poll();
  });
  return gids;
}

// From now on the provider returns at once, so that the update thread comes to its end.
Gids::~Gids() {
  if (follower_) {
    loop_.remove_fd(wake_.get());
    mirror_.unsubscribe(*follower_);
  }
  {
    const std::lock_guard lock(requests_mutex_);
    closed_ = true;
    for (Request& request : requests_) request.done.set_value();
    requests_.clear();
  }
  for (const auto& departure : departures_) {
    departure->abandoned = true;
    departure->done.set_value();
  }
  if (updater_) updater_->stop();
  for (gid::Table& table : tables_) table.clear();
  if (!reader_) return;
  domain_.remove(*reader_);
  domain_.give_back(*reader_);
}

void Gids::poll() {
  follower_->flush();
  unclear_.merge(follower_->take_touched());
  std::vector<Request> requests;
  {
    const std::lock_guard lock(requests_mutex_);
    requests.swap(requests_);
  }
  for (Request& request : requests) handle(std::move(request));
  clear_up();
  finish_departures();
}

// What may be admitted by an entry that is on its way is looked at when that is in, or refused.
void Gids::clear_up() {
  const bool quiet = updater_->pending() == 0;
  if (quiet) unclear_.merge(moving_);
  std::erase_if(unclear_, [&](const net::IpAddr& address) {
    if (!quiet && follower_->is_wanted(address) && !admits(address)) return false;
    world_.changed(address);
    return true;
  });
}

bool Gids::admits(const net::IpAddr& local) const {
  return admitted_.contains(local) || moving_.contains(local) || follower_->is_elsewhere(local);
}

bool Gids::is_settled() const { return updater_->pending() == 0 && unclear_.empty() && moving_.empty(); }

Status Gids::add_gid(const gid::Entry& entry) {
  tell_and_sleep(entry, true);
  return {};
}

Status Gids::del_gid(const gid::Entry& entry) {
  tell_and_sleep(entry, false);
  return {};
}

// Tunnels come over UDP and IP: what is of RoCE v1 alone, or of no address, is nothing to them.
void Gids::tell_and_sleep(const gid::Entry& entry, bool admit) {
  if (entry.attributes.type != gid::Type::roce_v2 || entry.attributes.is_default) return;
  Request request{entry.attributes.gid.address(), admit, {}};
  const std::future<void> done = request.done.get_future();
  {
    const std::lock_guard lock(requests_mutex_);
    if (closed_) return;
    requests_.push_back(std::move(request));
  }
  ::eventfd_write(wake_.get(), 1);
  done.wait();
}

void Gids::handle(Request request) {
  const net::IpAddr& address = request.address;
  const bool before = admits(address);
  if (request.admit) {
    ++admitted_[address];
    moving_.erase(address);
  } else if (--admitted_[address] == 0) {
    admitted_.erase(address);
    if (follower_->is_wanted(address)) moving_.insert(address);
  }
  const bool now = admits(address);
  if (now != before) world_.changed(address);
  if (now || !before || !world_.is_used(address)) return request.done.set_value();
  auto departure = std::make_shared<Departure>();
  departure->done = std::move(request.done);
  departure->grace = domain_.start();
  departures_.push_back(departure);
  world_.barrier([this, departure] {
    departure->rules_are_out = true;
    if (!departure->abandoned) finish_departures();
  });
}

void Gids::finish_departures() {
  std::erase_if(departures_, [this](const auto& departure) {
    if (!departure->rules_are_out || !domain_.passed(departure->grace)) return false;
    departure->done.set_value();
    return true;
  });
}

std::vector<GidView> Gids::views() const {
  std::vector<GidView> views;
  domain_.online(*reader_);
  for (const gid::Table& table : tables_) {
    for (const gid::Entry& entry : table.entries()) {
      const gid::Attributes& what = entry.attributes;
      views.push_back({table.port(), entry.index, what.gid.to_string(), std::string(name_of(what.type)),
                       what.netdev->name(), what.vlan, what.is_default, std::string(name_of(entry.state))});
    }
  }
  domain_.offline(*reader_);
  return views;
}

}  // namespace culvert::control
