using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Sources.Kubernetes;

public sealed class KubernetesPluginModuleTests
{
    [Theory]
    [InlineData("", "", PolicyMode.Resources)]
    [InlineData("kubeconfig=/a", "/a", PolicyMode.Resources)]
    [InlineData("policies=policyEndpoints", "", PolicyMode.PolicyEndpoints)]
    [InlineData("policies=resources", "", PolicyMode.Resources)]
    public void Options_Valid_AreRegistered(string settings, string kubeconfig, PolicyMode policies)
    {
        var (services, errors) = Register(settings);

        Assert.Empty(errors);
        Assert.Equal(new KubernetesSourceOptions(kubeconfig, policies), services.GetRequiredService<KubernetesSourceOptions>());
    }

    [Theory]
    [InlineData("kubeConfigs=/a", "source.kubernetes.kubeConfigs: unknown key")]
    [InlineData("policies=endpoints", "source.kubernetes.policies: 'endpoints' is not one of resources, policyEndpoints")]
    [InlineData("kubeconfig:0=/a", "source.kubernetes.kubeconfig: must be a single value")]
    public void Options_Wrong_AreReported(string settings, string error) =>
        Assert.StartsWith(error, Assert.Single(Register(settings).Errors), StringComparison.Ordinal);

    [Fact]
    public void Module_AndSource_HaveOneName()
    {
        var module = new KubernetesPluginModule();

        Assert.Equal((PluginKind.Source, KubernetesSource.PluginName), (module.Kind, module.Name));
    }

    private static (ServiceProvider Services, List<string> Errors) Register(string settings)
    {
        var pairs = settings.Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('='))
            .ToDictionary(pair => "source:kubernetes:" + pair[0], string? (pair) => pair[1]);
        var section = new ConfigurationBuilder().AddInMemoryCollection(pairs).Build().GetSection("source:kubernetes");
        var services = new ServiceCollection();
        var errors = new List<string>();
        new KubernetesPluginModule().Register(services, section, errors);
        return (services.BuildServiceProvider(), errors);
    }
}
