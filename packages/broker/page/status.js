<!-- status.js -->
