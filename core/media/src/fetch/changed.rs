//! What follows when one file of a rendition in several turns out to be another one on its server.
//!
//! Its own bytes are dropped by whoever saw it. What is here of the other files stays, if all of it still goes together:
//! a segment of a transport stream is read by itself, one of fragments with its header, so the header is asked whether
//! it is the one that is here. Servers behind one name that tag the same bytes differently are the usual cause; a clip
//! that was encoded anew has a new header. A header that changed, or that cannot be asked, is another version of the
//! rendition.

use unspool_engine::{MediaKey, Span};

use super::response::{content_length, content_range, validators};
use super::scheduler::Renewal;
use super::{FetchError, Fetcher, Purpose, Route};
use crate::segments::{owner, sibling};
use crate::store::Validators;

impl Fetcher {
    /// The file under `key` is another one now; an error when the rendition is. Nothing to do for the only file of one.
    pub(super) async fn file_changed(
        &self,
        key: &MediaKey,
        route: &Route,
        purpose: Purpose,
    ) -> Result<(), FetchError> {
        let Some((rendition, file)) = owner(key) else { return Ok(()) };
        let same = match route.header_of(file) {
            None => true,
            Some(header) if header == file => false,
            Some(header) => match self.asked(&rendition, header, route, purpose).await {
                Ok(seen) => self.tell(rendition.clone(), Renewal::Header(sibling(key, header), seen)).await?,
                Err(_) => false,
            },
        };
        if same {
            return Ok(());
        }
        self.tell(rendition, Renewal::Version).await?;
        Err(FetchError::Unstable)
    }

    /// What the server says of a file, for one byte of it.
    async fn asked(
        &self,
        rendition: &MediaKey,
        file: u32,
        route: &Route,
        purpose: Purpose,
    ) -> Result<Validators, FetchError> {
        let place = route.media_place(rendition, Some(file), self, false).await?;
        let mut response = self.http().get(place.url, Span::new(0, 1), None, None).await?;
        let headers = response.headers();
        let said = match response.status().as_u16() {
            206 => content_range(headers).map(|range| validators(headers, range.total)),
            200 => Some(validators(headers, content_length(headers))),
            _ => None,
        };
        self.discard(&mut response, purpose).await;
        said.ok_or(FetchError::Protocol("a header that cannot be asked for"))
    }
}
