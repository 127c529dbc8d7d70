using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Sources.Files;

public class FilePluginModuleTests
{
    [Theory]
    [InlineData("", "/etc/portcullis/manifests")]
    [InlineData("source:file:paths:0=/a,source:file:paths:1=b", "/a|b")]
    [InlineData("source:file:Paths=/only", "/only")]
    [InlineData("source:file:paths:0=/a,source:file:paths=/b", "/b")]
    public void Options_Valid_AreRegistered(string settings, string paths)
    {
        var (services, errors) = Register(settings);

        Assert.Empty(errors);
        Assert.Equal(paths.Split('|'), services.GetRequiredService<FileSourceOptions>().Paths);
    }

    [Theory]
    [InlineData("source:file:path=/a", "source.file.path: unknown key")]
    [InlineData("source:file:paths:0=", "source.file.paths: must be a list")]
    [InlineData("source:file:paths=", "source.file.paths: must be a list")]
    [InlineData("source:file:other:deep=1", "source.file.other: unknown key")]
    public void Options_Wrong_AreReported(string settings, string error) =>
        Assert.Contains(error, Assert.Single(Register(settings).Errors), StringComparison.Ordinal);

    [Fact]
    public void Module_AndSource_HaveOneName()
    {
        var module = new FilePluginModule();
        var source = new FileSource(new FileSourceOptions(["/x"]), TimeProvider.System);

        Assert.Equal((PluginKind.Source, "file", source.Name), (module.Kind, module.Name, "file"));
    }

    private static (ServiceProvider Services, List<string> Errors) Register(string settings)
    {
        var pairs = settings.Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('='))
            .ToDictionary(pair => pair[0], string? (pair) => pair[1]);
        var section = new ConfigurationBuilder().AddInMemoryCollection(pairs).Build().GetSection("source:file");
        var services = new ServiceCollection();
        var errors = new List<string>();
        new FilePluginModule().Register(services, section, errors);
        return (services.BuildServiceProvider(), errors);
    }
}
