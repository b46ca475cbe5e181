use secrecy::SecretString;

use super::{LookFailure, Watcher};

impl Watcher {
    /// Looks once and publishes what is there, for a program that shows it and ends.
    pub(crate) async fn look_once(mut self, key: &SecretString) -> Result<(), LookFailure> {
        let look = self.ask(key).await?;
        self.access.admitted();
        self.roster.take(look, self.clock.now());
        self.publish();
        Ok(())
    }
}
