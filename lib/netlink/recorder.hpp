// Writes what goes over channels into a file (recording.hpp), for `culvert --record`.
#pragma once

#include <string>

#include "netlink/channel.hpp"

namespace culvert::netlink {

// Opens channels as `open` does, and records them in the file `path`, which is made anew. Error: it cannot be
// made.
//
// One thread at a time, for all of the channels together. The file is written a part at a time, and whenever
// a queue was found empty: a process that dies loses what it was reading at that moment. A disk that is full
// or fails is told of once, in the log: the recording then ends with its last whole record, and the channels
// go on.
Result<Open> record(const std::string& path, Open open);

}  // namespace culvert::netlink
