using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

[Collection(AloneCollection.Name)]
public sealed class ExecutionProviderTests
{
    private static bool HasGpu => File.Exists("/dev/nvidia0") || File.Exists("/dev/dxg");

    [SkippableFact]
    public void Without_a_gpu_auto_runs_on_the_cpu_with_one_warning_and_a_count_for_each_model()
    {
        Skip.If(HasGpu, "This machine has a GPU.");
        ExecutionProviders.ForgetWarning();
        var log = new ListLogger();
        long fallbacks = 0;
        using var listener = new MeterListener { InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "palimpsest.inference.provider_fallbacks")
            {
                self.EnableMeasurementEvents(instrument);
            }
        } };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => fallbacks += tags.ToArray().Any(tag => tag.Value is "one" or "two") ? value : 0);
        listener.Start();
        var options = new InferenceOptions { Provider = ExecutionProviders.Auto };

        using var one = new OnnxNetwork("one", ModelFolder.RedFinder(), options, log);
        using var two = new OnnxNetwork("two", ModelFolder.RedFinder(), options, log);

        one.Provider.ShouldBe("cpu");
        two.Provider.ShouldBe("cpu");
        fallbacks.ShouldBe(2);
        log.Warnings.ShouldHaveSingleItem().ShouldStartWith("Networks run on the CPU: libonnxruntime_providers_cuda.so");
        using var outputs = one.Run([new NetworkInput("pixels", new float[3 * 256], [1, 3, 16, 16])], ["score"]);
        outputs.Values(0).Length.ShouldBe(1);
    }

    [SkippableTheory]
    [InlineData("cuda")]
    [InlineData("tensorrt")]
    public void A_provider_that_is_demanded_and_missing_is_an_error_not_a_fallback(string provider)
    {
        Skip.If(HasGpu, "This machine has a GPU.");
        Should.Throw<DetectorUnavailableException>(() => new OnnxNetwork("x", ModelFolder.RedFinder(), new InferenceOptions { Provider = provider }, new ListLogger()))
            .Message.ShouldContain($"The execution provider {provider} cannot be used");
    }

    [Fact]
    public void An_unknown_provider_is_named() =>
        Should.Throw<DetectorUnavailableException>(() => new OnnxNetwork("x", ModelFolder.RedFinder(), new InferenceOptions { Provider = "abacus" }, new ListLogger()))
            .Message.ShouldContain("'abacus'");

    private sealed class ListLogger : ILogger
    {
        public List<string> Warnings { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Warning)
            {
                Warnings.Add(formatter(state, exception));
            }
        }
    }
}
