using System.Net;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Security;

/// <summary>The table of ranges: both ends of each are refused, the public neighbours are not.</summary>
public sealed class AddressGuardTests
{
    [Theory]
    [InlineData("0.0.0.0", "0.255.255.255")]
    [InlineData("10.0.0.0", "10.255.255.255")]
    [InlineData("100.64.0.0", "100.127.255.255")]
    [InlineData("127.0.0.0", "127.255.255.255")]
    [InlineData("169.254.0.0", "169.254.255.255")]
    [InlineData("172.16.0.0", "172.31.255.255")]
    [InlineData("192.0.0.0", "192.0.0.255")]
    [InlineData("192.0.2.0", "192.0.2.255")]
    [InlineData("192.31.196.0", "192.31.196.255")]
    [InlineData("192.52.193.0", "192.52.193.255")]
    [InlineData("192.88.99.0", "192.88.99.255")]
    [InlineData("192.168.0.0", "192.168.255.255")]
    [InlineData("192.175.48.0", "192.175.48.255")]
    [InlineData("198.18.0.0", "198.19.255.255")]
    [InlineData("198.51.100.0", "198.51.100.255")]
    [InlineData("203.0.113.0", "203.0.113.255")]
    [InlineData("224.0.0.0", "255.255.255.255")]
    [InlineData("168.63.129.16", "168.63.129.16")]
    [InlineData("::", "::1")]
    [InlineData("::7f00:1", "::ffff")]
    [InlineData("::ffff:0:7f00:1", "::ffff:0:808:808")]
    [InlineData("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("100::", "100::ffff:ffff:ffff:ffff")]
    [InlineData("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff")]
    [InlineData("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("2001:10::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("4000::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    [InlineData("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
    public void Both_ends_of_a_special_range_are_refused(string first, string last)
    {
        AddressGuard.Classify(IPAddress.Parse(first)).ShouldNotBeNull();
        AddressGuard.Classify(IPAddress.Parse(last)).ShouldNotBeNull();
    }

    [Theory]
    [InlineData("1.0.0.0")]
    [InlineData("9.255.255.255")]
    [InlineData("11.0.0.0")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("126.255.255.255")]
    [InlineData("128.0.0.0")]
    [InlineData("169.253.255.255")]
    [InlineData("169.255.0.0")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.0")]
    [InlineData("192.0.1.255")]
    [InlineData("192.0.3.0")]
    [InlineData("192.167.255.255")]
    [InlineData("192.169.0.0")]
    [InlineData("198.17.255.255")]
    [InlineData("198.20.0.0")]
    [InlineData("203.0.112.255")]
    [InlineData("203.0.114.0")]
    [InlineData("223.255.255.255")]
    [InlineData("168.63.129.15")]
    [InlineData("2000::")]
    [InlineData("2001:200::")]
    [InlineData("2001:db7:ffff::1")]
    [InlineData("2001:db9::")]
    [InlineData("2003::")]
    [InlineData("2606:4700::1111")]
    [InlineData("3fff:1000::")]
    [InlineData("::ffff:8.8.8.8")]
    [InlineData("64:ff9b::8.8.8.8")]
    [InlineData("2606:4700::5efe:8.8.8.8")]
    public void Public_unicast_is_accepted(string address) => AddressGuard.Classify(IPAddress.Parse(address)).ShouldBeNull();

    [Theory]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("64:ff9b::10.0.0.1")]
    [InlineData("64:ff9b::127.0.0.1")]
    [InlineData("2002:7f00:1::")]
    [InlineData("2001:0:4136:e378:8000:63bf:80ff:fffe")]
    [InlineData("2606:4700::5efe:192.168.0.1")]
    [InlineData("2606:4700::200:5efe:10.0.0.1")]
    [InlineData("fe80::1%2")]
    public void Carried_and_scoped_addresses_are_refused(string address) => AddressGuard.Classify(IPAddress.Parse(address)).ShouldNotBeNull();

    [Fact]
    public void An_allowed_network_is_an_exception_and_nothing_beside_it_is()
    {
        var guard = new AddressGuard([IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("10.1.0.0/16")]);
        guard.Refusal(IPAddress.Parse("127.0.0.1")).ShouldBeNull();
        guard.Refusal(IPAddress.Parse("::ffff:127.0.0.1")).ShouldBeNull();
        guard.Refusal(IPAddress.IPv6Loopback).ShouldBeNull("localhost has both");
        guard.Refusal(IPAddress.Parse("10.1.2.3")).ShouldBeNull();
        guard.Refusal(IPAddress.Parse("10.2.0.1")).ShouldNotBeNull();
        guard.Refusal(IPAddress.Parse("169.254.169.254")).ShouldNotBeNull();
        new AddressGuard([IPNetwork.Parse("10.1.0.0/16")]).Refusal(IPAddress.IPv6Loopback).ShouldNotBeNull();
    }
}
