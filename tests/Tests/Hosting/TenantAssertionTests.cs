using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

public sealed class TenantAssertionTests
{
    private const string Key = "0123456789abcdef0123456789abcdef";
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly TenantContext Tenant = new("acme", "k1", new HashSet<string> { Scopes.Read, Scopes.Submit });

    [Fact]
    public void What_the_gateway_signs_the_service_reads()
    {
        var read = TenantAssertion.Verify(TenantAssertion.Create(Tenant, Key, Now), Key, Now);
        read.ShouldNotBeNull();
        read.Tenant.ShouldBe("acme");
        read.Scopes.ShouldBe(Tenant.Scopes, ignoreOrder: true);
    }

    [Fact]
    public void It_expires() => TenantAssertion.Verify(TenantAssertion.Create(Tenant, Key, Now), Key, Now.AddSeconds(61)).ShouldBeNull();

    [Fact]
    public void Another_key_does_not_verify() => TenantAssertion.Verify(TenantAssertion.Create(Tenant, Key, Now), Key + "x", Now).ShouldBeNull();

    [Fact]
    public void A_changed_claim_does_not_verify()
    {
        string forged = TenantAssertion.Create(Tenant with { Tenant = "other" }, Key, Now).Split('.')[0] + "." + TenantAssertion.Create(Tenant, Key, Now).Split('.')[1];
        TenantAssertion.Verify(forged, Key, Now).ShouldBeNull();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("abc")]
    [InlineData("a.b.c")]
    [InlineData("%%%.%%%")]
    public void Garbage_does_not_verify(string? assertion) => TenantAssertion.Verify(assertion, Key, Now).ShouldBeNull();
}
