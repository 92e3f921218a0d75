using MassTransit;
using MassTransit.Middleware;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>The queue of all news. Eight lanes by analysis id: the events of one analysis run one after the other and seldom meet in the database.</summary>
internal sealed class ReportDefinition : ConsumerDefinition<ReportConsumer>
{
    private const int Lanes = 8;

    public ReportDefinition() => EndpointName = Queues.Report;

    protected override void ConfigureConsumer(
        IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<ReportConsumer> consumerConfigurator, IRegistrationContext context)
    {
        endpointConfigurator.UsePlatformDefaults(prefetch: 4 * Lanes, command: false);
        // Comes with AnalysisRouted. The consumer is for brokers whose binding an earlier version has made.
        endpointConfigurator.ConfigureMessageTopology<ImagePreprocessed>(false);
        var lanes = endpointConfigurator.CreatePartitioner(Lanes);
        consumerConfigurator.Message<ImagePreprocessed>(m => m.UsePartitioner(lanes, c => c.Message.AnalysisId));
        consumerConfigurator.Message<ImageRejected>(m => m.UsePartitioner(lanes, c => c.Message.AnalysisId));
        consumerConfigurator.Message<AnalysisRouted>(m => m.UsePartitioner(lanes, c => c.Message.AnalysisId));
        consumerConfigurator.Message<ManipulationLocalized>(m => m.UsePartitioner(lanes, c => c.Message.AnalysisId));
        consumerConfigurator.Message<Fault<PreprocessImage>>(m => m.UsePartitioner(lanes, c => c.Message.Message.AnalysisId));
        consumerConfigurator.Message<Fault<ImagePreprocessed>>(m => m.UsePartitioner(lanes, c => c.Message.Message.AnalysisId));
        consumerConfigurator.Message<Fault<LocalizeManipulation>>(m => m.UsePartitioner(lanes, c => c.Message.Message.AnalysisId));
    }
}
