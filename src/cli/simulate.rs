use tokio::runtime;

use super::{Exit, complain};
use crate::platform::Signals;
use crate::simulator::SimulateArgs;
use crate::simulator::{Clock, Simulator};

pub(super) fn execute(args: SimulateArgs) -> anyhow::Result<Exit> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let simulator = Simulator::start(args.into_config(Clock::system())).await?;
        let address = simulator.addr();
        complain(&format!(
            "simulated CPA on http://{address}, management key {}; what it handed out: \
             http://{address}/simulator/totals; true quotas: http://{address}/simulator/quotas; \
             Ctrl-C stops it",
            simulator.management_key()
        ));
        while signals.next().await != crate::platform::Signal::Stop {}
        simulator.shutdown().await;
        Ok(Exit::Success)
    })
}
