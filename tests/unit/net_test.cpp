#include <gtest/gtest.h>

#include "net/address.hpp"
#include "net/headers.hpp"

namespace culvert::net {
namespace {

TEST(Mac, ParsesAndPrints) {
  const auto mac = Mac::parse("02:00:0A:ff:00:01");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->to_string(), "02:00:0a:ff:00:01");
  EXPECT_FALSE(mac->is_multicast());
  EXPECT_TRUE(Mac::parse("33:33:00:00:00:01")->is_multicast());
}

TEST(Mac, RefusesWhatIsNone) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01",
                           "02:00:00:00:00:001", "0x:00:00:00:00:01", "02:00:00:00:00:-1"})
    EXPECT_FALSE(Mac::parse(text)) << text;
}

TEST(IpAddr, PrintsAsRfc5952) {
  EXPECT_EQ(IpAddr::parse("2001:DB8:0:0:1:0:0:1")->to_string(), "2001:db8::1:0:0:1");
  EXPECT_EQ(IpAddr::parse("::ffff:192.0.2.1")->to_string(), "::ffff:192.0.2.1");
  EXPECT_EQ(IpAddr::parse("192.0.2.1")->to_string(), "192.0.2.1");
  for (const char* text : {"192.0.2", "192.0.2.256", "1:2", "fe80::1%eth0", " 192.0.2.1"})
    EXPECT_FALSE(IpAddr::parse(text)) << text;
}

TEST(IpAddr, Masks) {
  EXPECT_EQ(IpAddr::parse("10.255.3.4")->masked(12), *IpAddr::parse("10.240.0.0"));
  EXPECT_EQ(IpAddr::parse("10.1.2.3")->masked(0), IpAddr{});
  EXPECT_EQ(IpAddr::parse("2001:db8:ffff::1")->masked(33), *IpAddr::parse("2001:db8:8000::"));
}

TEST(Prefix, ParsesAndContains) {
  EXPECT_EQ(Prefix::parse("10.0.0.0/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(Prefix::parse("192.0.2.1")->to_string(), "192.0.2.1/32");
  EXPECT_EQ(Prefix::parse("0.0.0.0/0")->to_string(), "0.0.0.0/0");
  EXPECT_TRUE(Prefix::parse("10.0.0.0/8")->contains(*IpAddr::parse("10.9.8.7")));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*IpAddr::parse("::1")));
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "/8"})
    EXPECT_FALSE(Prefix::parse(text)) << text;
}

TEST(BigEndian, IsTheWiresOrder) {
  const be32 value{0x01020304};
  EXPECT_EQ(reinterpret_cast<const uint8_t*>(&value)[0], 1);
  EXPECT_EQ(value.host(), 0x01020304u);
  EXPECT_EQ(be16::from_wire(be16{4789}.wire()), be16{4789});
}

}  // namespace
}  // namespace culvert::net
