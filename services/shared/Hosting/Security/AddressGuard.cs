using System.Net;
using System.Net.Sockets;

namespace Palimpsest.Hosting;

/// <summary>
/// Decides which addresses a client may make us connect to: public unicast and nothing else. The table holds every range of the IANA IPv4 and IPv6
/// special-purpose registries (2025-10), multicast, the deprecated transition prefixes, and the metadata services of clouds. Addresses that carry an IPv4
/// address (mapped, NAT64, ISATAP) are unwrapped and checked again; 6to4 and Teredo, whose relays choose the target, are refused with whatever they carry.
/// </summary>
public sealed class AddressGuard
{
    /// <summary>What is refused by name. <c>deploy/kubernetes/network.yaml</c> lists the same ranges.</summary>
    internal static readonly (IPNetwork Network, string Name)[] Special =
    [
        Range("0.0.0.0/8", "this network"), Range("10.0.0.0/8", "private"), Range("100.64.0.0/10", "shared (carrier NAT)"), Range("127.0.0.0/8", "loopback"),
        Range("169.254.0.0/16", "link-local and metadata"), Range("172.16.0.0/12", "private"), Range("192.0.0.0/24", "IETF protocol assignments"),
        Range("192.0.2.0/24", "documentation"), Range("192.31.196.0/24", "AS112"), Range("192.52.193.0/24", "AMT"), Range("192.88.99.0/24", "6to4 relay"),
        Range("192.168.0.0/16", "private"), Range("192.175.48.0/24", "AS112"), Range("198.18.0.0/15", "benchmarking"), Range("198.51.100.0/24", "documentation"),
        Range("203.0.113.0/24", "documentation"), Range("224.0.0.0/4", "multicast"), Range("240.0.0.0/4", "reserved and broadcast"),
        // Azure's WireServer answers on a public address from inside any of its networks.
        Range("168.63.129.16/32", "metadata"),
        Range("2001::/23", "IETF protocol assignments (Teredo, benchmarking, ORCHID)"), Range("2001:db8::/32", "documentation"), Range("2002::/16", "6to4"),
        Range("2620:4f:8000::/48", "AS112"), Range("3fff::/20", "documentation"),
    ];

    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    private readonly IReadOnlyList<IPNetwork> allowed;
    private readonly bool loopbackAllowed;

    /// <summary>A guard with exceptions.</summary>
    /// <param name="allowed">Networks that may be reached although they are special. One that holds 127.0.0.1 admits ::1 too: names such as localhost have both.</param>
    public AddressGuard(IReadOnlyList<IPNetwork> allowed)
    {
        ArgumentNullException.ThrowIfNull(allowed);
        this.allowed = allowed;
        loopbackAllowed = allowed.Any(n => n.Contains(IPAddress.Loopback));
    }

    /// <summary>True when there are exceptions at all: then a host name can be judged only by its addresses.</summary>
    public bool HasExceptions => allowed.Count > 0;

    /// <summary>True when the operator allowed this address by name of its network.</summary>
    public bool IsExempt(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return allowed.Any(n => n.Contains(plain)) || (loopbackAllowed && plain.Equals(IPAddress.IPv6Loopback));
    }

    /// <summary>Why the address may not be reached, e.g. <c>loopback</c>; null when it may.</summary>
    public string? Refusal(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return IsExempt(address) ? null : Classify(address);
    }

    /// <summary>The special range an address lies in; null for public unicast.</summary>
    public static string? Classify(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return Named(address);
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return "not an internet address";
        }

        if (address.ScopeId != 0)
        {
            return "bound to a network interface";
        }

        byte[] bytes = address.GetAddressBytes();
        if (address.IsIPv4MappedToIPv6 || Nat64.Contains(address))
        {
            return Named(new IPAddress(bytes.AsSpan(12)));
        }

        if (!GlobalUnicast.Contains(address))
        {
            // ::1, ::, IPv4-compatible, 64:ff9b:1::/48, 100::/64, 5f00::/16, fc00::/7, fe80::/10, fec0::/10, ff00::/8 and all that was never assigned.
            return IPAddress.IsLoopback(address) ? "loopback" : address.IsIPv6Multicast ? "multicast" : "not global unicast";
        }

        // ISATAP: an interface identifier of 0000:5efe or 0200:5efe carries an IPv4 address that a router would deliver to.
        bool isatap = bytes[8] is 0 or 2 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
        return Named(address) ?? (isatap ? Named(new IPAddress(bytes.AsSpan(12))) : null);
    }

    private static string? Named(IPAddress address)
    {
        foreach (var (network, name) in Special)
        {
            if (network.Contains(address))
            {
                return name;
            }
        }

        return null;
    }

    private static (IPNetwork Network, string Name) Range(string cidr, string name) => (IPNetwork.Parse(cidr), name);
}

/// <summary>The address is not one that a client may make us connect to. The message is fit for the client: it never says what a name resolved to.</summary>
public sealed class AddressRefusedException(string message) : Exception(message);
