<!-- docs.js -->
