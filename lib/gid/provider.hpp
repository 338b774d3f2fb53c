// Who programs a port's GIDs.
#pragma once

#include "base/result.hpp"
#include "gid/gid.hpp"

namespace culvert::gid {

// Called by the update thread and by those who write a table themselves, one call an entry at a time, without
// any lock: they may sleep. The entry is `updating` meanwhile, and its netdev is held.
class Provider {
 public:
  virtual ~Provider() = default;
  // Error: refused, and nothing of it stays. The entry is free again.
  virtual Status add_gid(const Entry& entry) = 0;
  // When it returns nothing is done for the GID any more. An error is logged; the entry goes all the same.
  virtual Status del_gid(const Entry& entry) = 0;
};

}  // namespace culvert::gid
