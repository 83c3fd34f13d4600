//! `hilum demo`: the main job before one's eyes. A server, its clients, a phantom study stored, found and retrieved.

use std::path::PathBuf;

use clap::Args;
use hilum_kernel::Random;
use serde_json::Value;

use super::{
    Answer, Context, Failure,
    serve::{ListenArgs, Running},
};
use crate::{demo, telemetry, ui};

#[derive(Debug, Args, Default)]
pub(crate) struct DemoArgs {
    /// Run the journey once in a folder of its own, and end; the exit code says whether every step succeeded.
    #[arg(long)]
    exit: bool,
    #[command(flatten)]
    listen: ListenArgs,
}

impl DemoArgs {
    pub(crate) fn configuration(&self) -> Value {
        let mut listen = self.listen.clone();
        // The steps are what is to be seen, not the log.
        listen.log_level.get_or_insert_with(|| "warn".to_owned());
        if self.exit {
            listen.listen.get_or_insert_with(|| "localhost:0".to_owned());
        }
        listen.configuration()
    }

    /// Where the demo lives when no data directory is named.
    pub(crate) fn data_dir(&self, random: &dyn Random) -> PathBuf {
        if self.exit {
            std::env::temp_dir().join(format!("hilum-demo-{}", random.uuid()))
        } else {
            PathBuf::from("./hilum-demo-data")
        }
    }
}

pub(crate) async fn run(context: Context, arguments: DemoArgs) -> Answer {
    let _logs = telemetry::start_logs(&context.ground.config.telemetry)?;
    let data = context.ground.data.clone();
    let throw_away = arguments.exit && !context.data_given();
    let steps = ui::Steps::start();
    let step = steps.step("Start the server", None);
    let running = match Running::start(context.ground.clone()).await {
        Ok(running) => running,
        Err(error) => {
            step.failed(&format!("{error:#}"));
            return Err(error.into());
        }
    };
    step.done(running.url());
    let journey = demo::journey(&context.ground, running.house(), &steps).await;
    if let Ok(journey) = &journey {
        ui::line(format!("The whole journey took {}.", ui::human(steps.elapsed())));
        if !arguments.exit {
            ui::line("");
            running.tell();
            ui::line("");
            ui::line(demo::curl_lines(journey));
            ui::line("\nThe server is running; Ctrl-C ends it.");
            super::serve::wait_for_signal().await?;
        }
    }
    running.end().await;
    if throw_away {
        let _ = std::fs::remove_dir_all(data.path());
    }
    journey.map(|_| None).map_err(Failure::from)
}
